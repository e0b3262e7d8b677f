#ifndef CAFFE_BF16_POOLING_LAYER_HPP_
#define CAFFE_BF16_POOLING_LAYER_HPP_

#include <vector>

#include "caffe/layers/pooling_layer.hpp"

namespace caffe {

/**
 * @brief PoolingLayer that leaves maps in bf16 if they are and it is VGG's: the
 *        largest of 2 x 2, stride 2, even height and width.
 */
template <typename Dtype>
class Bf16PoolingLayer : public PoolingLayer<Dtype> {
 public:
  explicit Bf16PoolingLayer(const LayerParameter& param)
      : PoolingLayer<Dtype>(param) {}

 protected:
  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);
  virtual void Backward_cpu(const vector<Blob<Dtype>*>& top,
      const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom);

 private:
  bool ByTwo(const vector<Blob<Dtype>*>& top) const;

  vector<uint8_t> winners_;  ///< of the last forward pass, if it was in bf16
};

}  // namespace caffe

#endif  // CAFFE_BF16_POOLING_LAYER_HPP_
