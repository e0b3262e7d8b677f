#ifndef CAFFE_UTIL_BF16_RECTIFIED_HPP_
#define CAFFE_UTIL_BF16_RECTIFIED_HPP_

#ifdef USE_DNNL

#include <vector>

#include "caffe/layer.hpp"
#include "caffe/layers/bf16_layer.hpp"
#include "caffe/layers/bf16_relu_layer.hpp"

namespace caffe {

/// @brief Tell every Bf16Layer of a net whether a ReLU in place comes next.
template <typename Dtype>
void find_rectified(const vector<shared_ptr<Layer<Dtype> > >& layers,
    const vector<vector<Blob<Dtype>*> >& bottoms,
    const vector<vector<Blob<Dtype>*> >& tops) {
  for (int i = 0; i < layers.size(); ++i) {
    Bf16Top* layer = dynamic_cast<Bf16Top*>(layers[i].get());
    if (!layer || tops[i].size() != 1) { continue; }
    for (int next = i + 1; next < layers.size(); ++next) {
      const vector<Blob<Dtype>*>& read = bottoms[next];
      if (std::find(read.begin(), read.end(), tops[i][0]) == read.end()) {
        continue;
      }
      if (dynamic_cast<Bf16ReLULayer<Dtype>*>(layers[next].get()) &&
          tops[next][0] == tops[i][0]) {
        layer->set_rectified();
      }
      break;
    }
  }
}

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_UTIL_BF16_RECTIFIED_HPP_
