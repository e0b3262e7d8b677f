#ifndef CAFFE_UTIL_INNER_PRODUCTS_HPP_
#define CAFFE_UTIL_INNER_PRODUCTS_HPP_

namespace caffe {

/**
 * Inner products of a few inputs (few_rows.hpp), those of layers that follow
 * each other and do not read each other together: the gates of an LSTM. Threads
 * are started, and waited for, once.
 */
namespace inner_products {

/// @brief @f$ Y = X W^T + b @f$ with @f$ X: M \times K, Y: M \times N @f$ and
///        @f$ M \le 8 @f$; b may be null. At once, or with the next ones.
void compute(int M, int N, int K, const float* x, const float* weights,
    const float* bias, float* y);
void compute(int M, int N, int K, const double* x, const double* weights,
    const double* bias, double* y);

/// @brief While it lives, if wanted, this thread's products of floats wait for
///        others. At the end of one that is not wanted none waits any more.
class Wait {
 public:
  explicit Wait(bool wanted);
  ~Wait();

 private:
  const bool wanted_;

  Wait(const Wait&);
  Wait& operator=(const Wait&);
};

}  // namespace inner_products
}  // namespace caffe

#endif  // CAFFE_UTIL_INNER_PRODUCTS_HPP_
