#include <vector>

#include "caffe/layers/bf16_pooling_layer.hpp"
#include "caffe/util/bf16_maps.hpp"

namespace caffe {

template <typename Dtype>
bool Bf16PoolingLayer<Dtype>::ByTwo(const vector<Blob<Dtype>*>& top) const {
  return this->layer_param_.pooling_param().pool() ==
      PoolingParameter_PoolMethod_MAX && top.size() == 1 &&
      this->kernel_h_ == 2 && this->kernel_w_ == 2 && this->stride_h_ == 2 &&
      this->stride_w_ == 2 && this->pad_h_ == 0 && this->pad_w_ == 0 &&
      this->height_ % 2 == 0 && this->width_ % 2 == 0;
}

template <typename Dtype>
void Bf16PoolingLayer<Dtype>::Forward_cpu(const vector<Blob<Dtype>*>& bottom,
    const vector<Blob<Dtype>*>& top) {
  const MapSizes sizes = map_sizes(*bottom[0]);
  const bf16* maps = bottom[0]->data()->bf16_data(sizes);
  winners_.clear();
  if (!maps || !ByTwo(top)) {
    return PoolingLayer<Dtype>::Forward_cpu(bottom, top);
  }
  winners_.resize(top[0]->count());
  max_pool_by_two_bf16(sizes, this->width_, maps,
      top[0]->data()->mutable_bf16_data(map_sizes(*top[0])), winners_.data());
  top[0]->data()->bf16_written();
}

template <typename Dtype>
void Bf16PoolingLayer<Dtype>::Backward_cpu(const vector<Blob<Dtype>*>& top,
    const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom) {
  if (winners_.size() != top[0]->count()) {
    return PoolingLayer<Dtype>::Backward_cpu(top, propagate_down, bottom);
  }
  if (!propagate_down[0]) { return; }
  const MapSizes top_sizes = map_sizes(*top[0]);
  const bf16* diff = top[0]->diff()->bf16_data(top_sizes);
  vector<bf16> converted;
  if (!diff) {
    converted.resize(top_sizes.count());
    to_bf16(top_sizes,
        static_cast<const float*>(top[0]->diff()->cpu_data()),
        converted.data());
    diff = converted.data();
  }
  max_pool_by_two_backward_bf16(map_sizes(*bottom[0]), this->width_, diff,
      winners_.data(), bottom[0]->diff()->mutable_bf16_data(
      map_sizes(*bottom[0])));
  bottom[0]->diff()->bf16_written();
}

INSTANTIATE_CLASS(Bf16PoolingLayer);

}  // namespace caffe
