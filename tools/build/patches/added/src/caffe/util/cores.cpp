#include <fcntl.h>
#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdlib>
#include <fstream>
#include <mutex>  // NOLINT(build/c++11)
#include <sstream>
#include <string>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "caffe/util/cores.hpp"

namespace caffe {
namespace cores {

namespace {

const int kPrograms = 64;  // that are counted

int all_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

// What the system tells of a program.
struct Program {
  bool stopped;
  int nice;
  cpu_set_t cores;  // that it may use
};

Program program_of(pid_t pid) {
  Program program = {false, -20, {}};  // of another container: one that counts
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line, field;
  std::getline(file, line);
  const std::string::size_type name_ends = line.rfind(')');
  if (name_ends != std::string::npos) {
    std::istringstream fields(line.substr(name_ends + 1));
    fields >> field;
    program.stopped = field == "T";
    for (int i = 0; i < 15; ++i) { fields >> field; }
    fields >> program.nice;
  }
  if (pid <= 0 ||
      sched_getaffinity(pid, sizeof(program.cores), &program.cores) != 0) {
    std::fill_n(reinterpret_cast<char*>(&program.cores),
        sizeof(program.cores), '\xff');
  }
  return program;
}

// Whether the other program takes cores that this one wants.
bool competes(const Program& other, const Program& own) {
  cpu_set_t both;
  CPU_AND(&both, &other.cores, &own.cores);
  return !other.stopped && other.nice <= own.nice && CPU_COUNT(&both) > 0;
}

// The programs of this user that are within a pass: each holds a lock on one
// byte of a file, which ends with it, however it ends.
class Programs {
 public:
  Programs() : file_(Open()) {}

  void Enter() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (inside_++ > 0 || file_ < 0) { return; }
    for (byte_ = 0; byte_ < kPrograms; ++byte_) {
      if (Lock(F_WRLCK, byte_)) { return; }
    }
  }

  void Leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--inside_ == 0 && byte_ < kPrograms) { Lock(F_UNLCK, byte_); }
  }

  // Those that compete with this one.
  int Others() const {
    int others = 0;
    for (off_t first = 0; first < kPrograms;) {
      struct flock lock = Bytes(F_WRLCK, first, kPrograms - first);
      if (fcntl(file_, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
        break;
      }
      others += competes(program_of(lock.l_pid), program_of(getpid()));
      first = lock.l_start + lock.l_len;
    }
    return others;
  }

 private:
  static int Open() {
    const char* given = std::getenv("CAFFE_SHARE_FILE");
    const std::string path = given ? given
        : "/dev/shm/caffe-cores-" + std::to_string(geteuid());
    return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  }

  static struct flock Bytes(short type, off_t first, off_t count) {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = first;
    lock.l_len = count;
    return lock;
  }

  bool Lock(short type, off_t byte) const {  // NOLINT(runtime/int)
    struct flock lock = Bytes(type, byte, 1);
    return fcntl(file_, F_SETLK, &lock) == 0;
  }

  const int file_;
  std::mutex mutex_;
  int inside_ = 0;          // passes, on any thread
  off_t byte_ = kPrograms;  // the one that is locked; kPrograms: none
};

Programs& programs() {
  static Programs the;
  return the;
}

int shared_cores() {
  static const char* setting = std::getenv("CAFFE_SHARE_CORES");
  static const int cores = setting ? std::atoi(setting) : 0;
  return cores;
}

typedef std::chrono::steady_clock Clock;
const std::chrono::milliseconds kLook(20);  // so often

thread_local int share = 0;  // of the running pass; 0: there is none
thread_local Clock::time_point looked;

void look() {
  share = std::max(1, shared_cores() / (1 + programs().Others()));
  looked = Clock::now();
}

}  // namespace

int threads() {
  if (!share) { return all_threads(); }
  if (Clock::now() - looked > kLook) { look(); }
  return std::min(share, all_threads());
}

Pass::Pass(bool wanted) : counts_(wanted && !share && shared_cores() > 0) {
  if (!counts_) { return; }
  programs().Enter();
  look();
}

Pass::~Pass() {
  if (!counts_) { return; }
  share = 0;
  programs().Leave();
}

}  // namespace cores
}  // namespace caffe
