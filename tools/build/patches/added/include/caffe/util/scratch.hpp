#ifndef CAFFE_UTIL_SCRATCH_HPP_
#define CAFFE_UTIL_SCRATCH_HPP_

#include <cstdlib>
#include <memory>

#include "caffe/common.hpp"

namespace caffe {

/// @brief Memory that the same thread's next call uses again, for floats, at
///        the beginning of a cache line.
class Scratch {
 public:
  float* Get(size_t count) {
    if (count > count_) {
      data_.reset();
      const size_t size = (count * sizeof(float) + 63) / 64 * 64;
      data_.reset(static_cast<float*>(std::aligned_alloc(64, size)));
      CHECK(data_) << "out of memory: a convolution needs " << size << " bytes";
      count_ = count;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
  size_t count_ = 0;
};

}  // namespace caffe

#endif  // CAFFE_UTIL_SCRATCH_HPP_
