// generate_sensor_data [--rows N] [--seed S] [--start EPOCH_SECONDS]: writes a CSV of what three
// room sensors could have measured to stdout. The same arguments give the same bytes everywhere:
// only + - * / on doubles (no libm, whose last digit differs between systems) and std::mt19937_64.
//
// The days have a temperature wave, lamps, people that come and go, a stove in the evening, sensor
// noise, an hour without one of the devices, a few readings that no room has, and one line twice.
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

namespace {

constexpr std::int64_t kSecond = 1'000'000;  // times are microseconds
constexpr std::int64_t kDay = 86'400 * kSecond;
constexpr std::size_t kDevices = 3;
constexpr std::int64_t kMeanGap = 26 * kSecond;

struct Options {
  std::int64_t rows = 20'000;
  std::uint64_t seed = 20'260'302;
  std::int64_t start = 1'772'409'600;  // 2026-03-02T00:00:00Z, a Monday
};

struct Room {
  std::string_view device;
  double temperature;  // mean, degrees Celsius
  double swing;        // of the daily wave
  double humidity;     // percent
  double gas;          // relative load of the air
  bool has_lamp;
  double visits_per_hour;
  bool has_stove;
};

constexpr std::array<Room, kDevices> kRooms = {{
    {"00:0f:00:70:91:0a", 19.3, 0.6, 75.0, 0.9, false, 0.3, false},  // cellar
    {"1c:bf:ce:15:ec:4d", 24.0, 2.4, 57.0, 0.7, true, 2.0, true},    // kitchen
    {"b8:27:eb:bf:9d:51", 22.4, 1.1, 51.0, 1.0, false, 0.8, false},  // study
}};

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  // [0, 1)
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  // Mean 0, deviation 1: the sum of twelve uniforms is normal enough for noise.
  double Normal() {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }
  bool Chance(double probability) { return Uniform() < probability; }

 private:
  std::mt19937_64 engine_;
};

// sin(2 pi x) by Bhaskara's rational approximation (error < 0.0017).
double Wave(double x) {
  x -= static_cast<double>(static_cast<std::int64_t>(x));
  if (x < 0) x += 1.0;
  const double half = x < 0.5 ? x : x - 0.5;
  const double p = 4.0 * (2.0 * half) * (1.0 - 2.0 * half);
  const double value = 4.0 * p / (5.0 - p);
  return x < 0.5 ? value : -value;
}

double HourOfDay(std::int64_t time) {
  return static_cast<double>(time % kDay) / static_cast<double>(3600 * kSecond);
}

// What a room remembers from one reading to the next.
struct State {
  double drift = 0.0;  // slow wander of the temperature
  double smoke = 0.0;  // what the stove has left in the air
  std::int64_t visit_until = 0;
};

struct Reading {
  std::int64_t time;
  std::string_view device;
  double co, humidity, lpg, smoke, temp;
  bool light, motion;
};

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : random_(options.seed), start_(options.start * kSecond) {
    for (std::size_t i = 0; i < kDevices; ++i) {
      next_[i] = start_ + static_cast<std::int64_t>(random_.Uniform() * double{kMeanGap});
    }
  }

  Reading Next() {
    const std::size_t i = Earliest();
    const std::int64_t now = next_[i];
    next_[i] = now + static_cast<std::int64_t>((0.6 + 0.8 * random_.Uniform()) * double{kMeanGap});
    if (IsOffline(i, next_[i])) next_[i] += 3600 * kSecond;
    return Measure(kRooms[i], states_[i], now);
  }

 private:
  std::size_t Earliest() const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < kDevices; ++i) {
      if (next_[i] < next_[best]) best = i;
    }
    return best;
  }

  // The study loses its network from 03:00 to 04:00 of the second day.
  bool IsOffline(std::size_t room, std::int64_t time) const {
    const std::int64_t since = time - start_ - kDay - 3 * 3600 * kSecond;
    return room == 2 && since >= 0 && since < 3600 * kSecond;
  }

  Reading Measure(const Room& room, State& state, std::int64_t now) {
    const double hour = HourOfDay(now);
    const bool awake = hour > 6.5 && hour < 23.0;
    state.drift = 0.995 * state.drift + 0.03 * random_.Normal();
    const bool motion = Visit(room, state, now, awake);
    Cook(room, state, hour);
    const double warm = Wave((hour - 9.0) / 24.0);  // warmest at 15:00
    Reading reading{};
    reading.time = now;
    reading.device = room.device;
    reading.motion = motion;
    reading.light = room.has_lamp && awake && (motion || hour > 17.5 || hour < 8.0);
    reading.temp = room.temperature + room.swing * warm + state.drift + 2.0 * state.smoke +
                   0.08 * random_.Normal();
    reading.humidity =
        room.humidity - 1.8 * room.swing * warm + 6.0 * state.smoke + 0.5 * random_.Normal();
    FillGases(room, state, reading);
    Disturb(reading);
    return reading;
  }

  // The three come from one sensor and move together.
  void FillGases(const Room& room, const State& state, Reading& reading) {
    const double load = room.gas * (1.0 + 0.03 * random_.Normal()) + 1.5 * state.smoke;
    reading.co = 0.0049 * load * (1.0 + 0.01 * random_.Normal());
    reading.lpg = 0.0031 + 0.0045 * load;
    reading.smoke = 0.0062 + 0.0139 * load;
  }

  bool Visit(const Room& room, State& state, std::int64_t now, bool awake) {
    if (now < state.visit_until) return true;
    const double per_reading = room.visits_per_hour * double{kMeanGap} / double(3600 * kSecond);
    if (awake && random_.Chance(per_reading)) {
      state.visit_until = now + static_cast<std::int64_t>(random_.Uniform() * 600) * kSecond;
    }
    return false;
  }

  void Cook(const Room& room, State& state, double hour) {
    const bool cooking =
        room.has_stove && ((hour > 18.0 && hour < 18.75) || (hour > 7.0 && hour < 7.2));
    state.smoke = 0.97 * state.smoke + (cooking ? 0.03 * (0.8 + 0.4 * random_.Uniform()) : 0.0);
  }

  // About one reading in two thousand is what a loose contact gives.
  void Disturb(Reading& reading) {
    if (!random_.Chance(0.0005)) return;
    if (random_.Chance(0.5)) {
      reading.humidity = 8.0;
    } else {
      reading.temp = 0.0;
    }
  }

  Random random_;
  std::int64_t start_;
  std::array<std::int64_t, kDevices> next_{};
  std::array<State, kDevices> states_{};
};

std::string Fixed(double value, int decimals) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 std::chars_format::fixed, decimals);
  return {text.data(), end.ptr};
}

// Seconds in the notation of the devices' logger: 1772409600.25 s is 1.77240960025E9.
std::string Seconds(std::int64_t time) {
  std::string digits = std::to_string(time);  // sixteen: ten before the point, six behind it
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits.substr(0, 1) + "." + (digits.size() > 1 ? digits.substr(1) : "0") + "E9";
}

std::string Line(const Reading& reading) {
  std::string line;
  const auto add = [&line](std::string_view field) {
    line += line.empty() ? "\"" : ",\"";
    line += field;
    line += '"';
  };
  add(Seconds(reading.time));
  add(reading.device);
  add(Fixed(reading.co, 6));
  add(Fixed(reading.humidity, 1));
  add(reading.light ? "true" : "false");
  add(Fixed(reading.lpg, 6));
  add(reading.motion ? "true" : "false");
  add(Fixed(reading.smoke, 6));
  add(Fixed(reading.temp, 1));
  return line + '\n';
}

template <class Number>
bool Read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseArguments(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const bool known = (name == "--rows" && Read(argv[i + 1], options.rows)) ||
                       (name == "--seed" && Read(argv[i + 1], options.seed)) ||
                       (name == "--start" && Read(argv[i + 1], options.start));
    if (!known) return false;
  }
  // The notation above has ten digits before the point.
  return argc % 2 == 1 && options.rows >= 0 && options.start >= 1'000'000'000 &&
         options.start <= 9'000'000'000;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ParseArguments(argc, argv, options)) {
    std::fputs(
        "usage: generate_sensor_data [--rows N (20000)] [--seed S] [--start SECONDS (1772409600)]\n"
        "seconds since 1970 from 1000000000 on\n",
        stderr);
    return 2;
  }
  Simulation simulation(options);
  std::fputs(
      "\"ts\",\"device\",\"co\",\"humidity\",\"light\",\"lpg\",\"motion\",\"smoke\",\"temp\"\n",
      stdout);
  std::string line;
  for (std::int64_t row = 0; row < options.rows; ++row) {
    // The second half begins with the last line of the first, as a logger that retries would do.
    if (row != options.rows / 2 || row == 0) line = Line(simulation.Next());
    std::fputs(line.c_str(), stdout);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
