#ifndef CAFFE_UTIL_CORES_HPP_
#define CAFFE_UTIL_CORES_HPP_

namespace caffe {

/**
 * Programs of one user that compute at once share the cores. Two with all
 * threads each would wait for one another's threads at the end of every
 * parallel region.
 *
 * The environment's CAFFE_SHARE_CORES is the number of cores; unset, nothing is
 * shared. Programs know one another by locks on CAFFE_SHARE_FILE
 * (/dev/shm/caffe-cores-<user>). Stopped ones, nicer ones and those on other
 * cores do not count.
 *
 * Regions that ask here compute the same numbers with any number of threads,
 * also if that changes between two of them. Others, such as those of BLAS and
 * oneDNN, are not restricted.
 */
namespace cores {

/// @brief Threads for a parallel region: this program's share, and never more
///        than OpenMP would take.
int threads();

/// @brief A pass of a net on this thread for as long as it lives, if wanted. It
///        looks for other programs as it begins, and many times a second.
class Pass {
 public:
  explicit Pass(bool wanted);
  ~Pass();

 private:
  const bool counts_;  // not one within another

  Pass(const Pass&);
  Pass& operator=(const Pass&);
};

}  // namespace cores
}  // namespace caffe

#endif  // CAFFE_UTIL_CORES_HPP_
