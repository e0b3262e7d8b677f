#ifndef CAFFE_UTIL_CPU_HPP_
#define CAFFE_UTIL_CPU_HPP_

namespace caffe {

/// @brief Whether this CPU has these instructions. Where oneDNN is used,
///        ONEDNN_MAX_CPU_ISA in the environment can forbid them.
bool cpu_has_avx2();
bool cpu_has_avx512();

}  // namespace caffe

#endif  // CAFFE_UTIL_CPU_HPP_
