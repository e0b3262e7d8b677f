#ifndef CAFFE_UTIL_INNER_PRODUCTS_HPP_
#define CAFFE_UTIL_INNER_PRODUCTS_HPP_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "caffe/layer.hpp"

namespace caffe {

/**
 * Inner products of a few inputs (few_rows.hpp), those of layers that follow
 * each other and do not read each other together: the gates of an LSTM. Threads
 * are started, and waited for, once.
 */
namespace inner_products {

/// @brief @f$ Y = X W^T + b @f$ with @f$ X: M \times K, Y: M \times N @f$ and
///        @f$ M \le 8 @f$; b may be null. At once, or with the next ones.
///        stamp: SyncedMemory's, of the weights.
void compute(int M, int N, int K, const float* x, const float* weights,
    uint64_t stamp, const float* bias, float* y);
void compute(int M, int N, int K, const double* x, const double* weights,
    uint64_t stamp, const double* bias, double* y);

/// @brief Of every layer whether its products may wait for those of the next:
///        both are inner products, and of a row of them in which none reads
///        another.
template <typename Dtype>
vector<bool> that_wait(const vector<shared_ptr<Layer<Dtype> > >& layers,
    const vector<vector<Blob<Dtype>*> >& bottoms,
    const vector<vector<Blob<Dtype>*> >& tops) {
  vector<bool> wait(layers.size(), false);
  std::set<Blob<Dtype>*> computed;  // by the row of products
  for (int i = 0; i < layers.size(); ++i) {
    const bool product = layers[i]->type() == std::string("InnerProduct") &&
        layers[i]->loss(0) == 0;
    if (!product || computed.count(bottoms[i][0])) { computed.clear(); }
    if (!computed.empty()) { wait[i - 1] = true; }
    if (product) { computed.insert(tops[i][0]); }
  }
  return wait;
}

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
