// with_postgres COMMAND ARG…: runs a command beside a private PostgreSQL and passes its exit code
// on. {uri} in an argument stands for the URI of an empty database; $DATABASE_URI holds it too.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "support/postgres_server.h"

namespace {

std::string Replaced(std::string text, const std::string& uri) {
  const std::string mark = "{uri}";
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += uri.size()) {
    text.replace(at, mark.size(), uri);
  }
  return text;
}

int RunCommand(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execvp(argv[0], argv.data());
    std::perror(argv[0]);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s COMMAND ARG… ({uri} stands for the database)\n", argv[0]);
    return 2;
  }
  try {
    tsingest::testing::PostgresServer server;
    const std::string uri = server.Uri(server.CreateDatabase("scratch"));
    ::setenv("DATABASE_URI", uri.c_str(), 1);
    std::vector<std::string> command;
    for (int i = 1; i < argc; ++i) command.push_back(Replaced(argv[i], uri));
    return RunCommand(command);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "with_postgres: %s\n", error.what());
    return 1;
  }
}
