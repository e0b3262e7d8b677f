#ifndef CAFFE_BF16_RELU_LAYER_HPP_
#define CAFFE_BF16_RELU_LAYER_HPP_

#include <vector>

#include "caffe/layers/relu_layer.hpp"

namespace caffe {

/**
 * @brief ReLULayer without a negative slope that leaves maps in bf16 if they
 *        are; else it is ReLULayer.
 *
 * Maps in bf16 have no negative numbers (Bf16Layer, Bf16PoolingLayer): nothing
 * is to be done forward.
 */
template <typename Dtype>
class Bf16ReLULayer : public ReLULayer<Dtype> {
 public:
  explicit Bf16ReLULayer(const LayerParameter& param)
      : ReLULayer<Dtype>(param) {}

 protected:
  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);
  virtual void Backward_cpu(const vector<Blob<Dtype>*>& top,
      const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom);
};

}  // namespace caffe

#endif  // CAFFE_BF16_RELU_LAYER_HPP_
