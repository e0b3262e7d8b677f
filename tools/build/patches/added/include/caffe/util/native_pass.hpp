#ifndef CAFFE_UTIL_NATIVE_PASS_HPP_
#define CAFFE_UTIL_NATIVE_PASS_HPP_

#include <vector>

#include "caffe/blob.hpp"

namespace caffe {

/**
 * @brief The passes of a Python layer in C++, on the host in either mode.
 *
 * A layer that has one as its attribute `native` after `setup` is run by it in
 * place of its own `forward` and `backward`, which do the same: for layers that
 * take most of their time in Python and numpy, and not in arithmetic.
 */
template <typename Dtype>
class NativePass {
 public:
  virtual ~NativePass() {}
  /// @brief False: Python's forward is to be called, which says what is wrong.
  virtual bool Forward(const std::vector<Blob<Dtype>*>& bottom,
      const std::vector<Blob<Dtype>*>& top) = 0;
  /// @brief Writes the diffs of the bottoms that are wanted: here, zeros.
  virtual void Backward(const std::vector<Blob<Dtype>*>& top,
      const std::vector<bool>& wanted,
      const std::vector<Blob<Dtype>*>& bottom);
};

}  // namespace caffe

#endif  // CAFFE_UTIL_NATIVE_PASS_HPP_
