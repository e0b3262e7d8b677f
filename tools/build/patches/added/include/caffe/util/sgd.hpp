#ifndef CAFFE_UTIL_SGD_HPP_
#define CAFFE_UTIL_SGD_HPP_

namespace caffe {

struct MomentumStep {
  double scale;     ///< s: 1 / iter_size
  double decay;     ///< lambda
  double rate;      ///< eta
  double momentum;  ///< mu
};

/// @brief Stochastic gradient descent with momentum and L2 decay:
///        @f$ v = \eta (s g + \lambda w) + \mu v, w = w - v, g = v @f$, of
///        `count` weights, in one pass over memory.
void momentum_step(const MomentumStep& step, long count, float* weights,
    float* diff, float* history);
void momentum_step(const MomentumStep& step, long count, double* weights,
    double* diff, double* history);

/// @brief The same with any number of threads, where a BLAS's dot is not.
double sum_of_squares(long count, const float* numbers);
double sum_of_squares(long count, const double* numbers);

}  // namespace caffe

#endif  // CAFFE_UTIL_SGD_HPP_
