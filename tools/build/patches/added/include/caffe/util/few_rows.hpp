#ifndef CAFFE_UTIL_FEW_ROWS_HPP_
#define CAFFE_UTIL_FEW_ROWS_HPP_

namespace caffe {

/**
 * The products of an inner product layer for a few inputs.
 *
 * The weights, @f$ N \times K @f$, are far larger than all else, so the time
 * is that of reading them. A general matrix product rearranges them first,
 * which costs more than it saves for so few rows; here each is touched once.
 */
const int kFewRows = 8;

const int kRowsTogether = 4;  ///< of weights that are read side by side

/// @brief Columns n to n + kRowsTogether of @f$ Y = X W^T + b @f$ with
///        @f$ X: M \times K, Y: M \times N @f$ and @f$ M \le 8 @f$; b may be
///        null
template <typename Dtype>
void few_rows_columns(int M, int N, int K, int n, const Dtype* x,
    const Dtype* weights, const Dtype* bias, Dtype* y);

/// @brief @f$ \Delta W \mathrel{+}= \Delta Y^T X @f$
template <typename Dtype>
void few_rows_weights(int M, int N, int K, const Dtype* y_diff, const Dtype* x,
    Dtype* weights_diff);

/// @brief @f$ \Delta X = \Delta Y W @f$
template <typename Dtype>
void few_rows_bottom(int M, int N, int K, const Dtype* y_diff,
    const Dtype* weights, Dtype* x_diff);

}  // namespace caffe

#endif  // CAFFE_UTIL_FEW_ROWS_HPP_
