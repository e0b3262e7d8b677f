#include <vector>

#include "caffe/layers/bf16_relu_layer.hpp"
#include "caffe/util/bf16_maps.hpp"

namespace caffe {

template <typename Dtype>
void Bf16ReLULayer<Dtype>::Forward_cpu(const vector<Blob<Dtype>*>& bottom,
    const vector<Blob<Dtype>*>& top) {
  const bool in_place = bottom[0] == top[0];
  if (in_place && bottom[0]->data()->bf16_data(map_sizes(*bottom[0]))) {
    return;
  }
  ReLULayer<Dtype>::Forward_cpu(bottom, top);
}

template <typename Dtype>
void Bf16ReLULayer<Dtype>::Backward_cpu(const vector<Blob<Dtype>*>& top,
    const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom) {
  const MapSizes sizes = map_sizes(*bottom[0]);
  const bf16* y = bottom[0]->data()->bf16_data(sizes);
  const bf16* diff = top[0]->diff()->bf16_data(sizes);
  if (!y || !diff || bottom[0] != top[0]) {
    return ReLULayer<Dtype>::Backward_cpu(top, propagate_down, bottom);
  }
  if (propagate_down[0]) {
    relu_backward_bf16(sizes.count(), y, diff,
        bottom[0]->diff()->mutable_bf16_data(sizes));
    bottom[0]->diff()->bf16_written();
  }
}

INSTANTIATE_CLASS(Bf16ReLULayer);

}  // namespace caffe
