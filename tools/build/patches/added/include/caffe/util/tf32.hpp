#ifndef CAFFE_UTIL_TF32_HPP_
#define CAFFE_UTIL_TF32_HPP_

namespace caffe {

/**
 * @brief Whether a GPU may round the factors of float products to TF32, which
 *        keeps 10 of the 23 bits of the mantissa: CAFFE_TF32=1 in the
 *        environment. Sums stay float. Without it numbers are comparable with
 *        those of a CPU.
 */
bool tf32_wanted();

}  // namespace caffe

#endif  // CAFFE_UTIL_TF32_HPP_
