#include "tsingest/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace tsingest {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe(ends) != 0) return;
    read = FileDescriptor(ends[0]);
    write = FileDescriptor(ends[1]);
  }
  FileDescriptor read;
  FileDescriptor write;
};

TEST(FileDescriptor, MovesAndClosesOnce) {
  Pipe pipe;
  const int fd = pipe.read.get();
  FileDescriptor moved = std::move(pipe.read);
  EXPECT_EQ(moved.get(), fd);
  FileDescriptor other;
  other = std::move(moved);
  EXPECT_FALSE(moved.is_open());  // NOLINT(bugprone-use-after-move)
  EXPECT_NE(::fcntl(fd, F_GETFD), -1);
  other.Reset();
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

TEST(WriteFully, CountsAndGoesOnWhereItStopped) {
  Pipe pipe;
  std::size_t done = 3;
  ASSERT_TRUE(WriteFully(pipe.write.get(), "abcdef", &done, "pipe").ok());
  EXPECT_EQ(done, 6u);
  char buffer[8];
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(::read(pipe.read.get(), buffer, 8))),
            "def");
}

TEST(WriteFully, TurnsSigpipeIntoAnErrorAndLeavesTheMaskAsItWas) {
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  Pipe pipe;
  pipe.read.Reset();
  std::size_t done = 0;
  const absl::Status status = WriteFully(pipe.write.get(), "abc", &done, "the pipe");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(done, 0u);
  sigset_t after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(FileError, SaysWhatTheSystemSaysWithACodeToActOn) {
  EXPECT_EQ(FileError("cannot open", "x", ENOSPC),
            absl::UnavailableError("cannot open x: No space left on device"));
  EXPECT_EQ(FileError("cannot open", "x", EACCES),
            absl::PermissionDeniedError("cannot open x: Permission denied"));
  EXPECT_EQ(FileError("cannot open", "x", ENOENT).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FileError("cannot open", "x", EISDIR).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tsingest
