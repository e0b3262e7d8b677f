#ifndef CAFFE_UTIL_WEIGHT_GRADIENTS_HPP_
#define CAFFE_UTIL_WEIGHT_GRADIENTS_HPP_

#include <map>
#include <utility>
#include <vector>

namespace caffe {

/**
 * The gradients of a net's inner products by their weights, each added when the
 * backward pass ends.
 *
 * Weights that many layers share, as those of an unrolled recurrence, have a
 * gradient of megabytes, which would be read and written once a step. The
 * products' small factors are kept instead, and their sum is added at once.
 */
class WeightGradients {
 public:
  /// @brief @f$ \Delta W \mathrel{+}= \Delta Y^T X @f$ with
  ///        @f$ X: M \times K, \Delta Y: M \times N @f$: when the running pass
  ///        ends; without one now.
  static void Add(int M, int N, int K, const float* y_diff, const float* x,
      float* weights_diff);
  static void Add(int M, int N, int K, const double* y_diff, const double* x,
      double* weights_diff);

  /// @brief A backward pass of the net that owns `gradients`, on this thread,
  ///        for as long as this lives; null: of one that wants them at once.
  class Pass {
   public:
    explicit Pass(WeightGradients* gradients);
    ~Pass();

   private:
    WeightGradients* const own_;
    WeightGradients* const outer_;  // of a pass within which this one runs

    Pass(const Pass&);
    Pass& operator=(const Pass&);
  };

 private:
  struct Factors {
    int N;
    std::vector<float> y_diff, x;  // rows of N and of K
  };

  WeightGradients() {}
  void AddKept();

  // By weights_diff and K: layers may share weights in other shapes.
  std::map<std::pair<float*, int>, Factors> kept_;

  template <typename Dtype>
  friend class Net;
};

}  // namespace caffe

#endif  // CAFFE_UTIL_WEIGHT_GRADIENTS_HPP_
