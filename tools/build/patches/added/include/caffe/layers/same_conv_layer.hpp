#ifndef CAFFE_SAME_CONV_LAYER_HPP_
#define CAFFE_SAME_CONV_LAYER_HPP_

#ifdef USE_DNNL

#include <type_traits>
#include <vector>

#include "caffe/util/channel_sums.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/same_conv.hpp"

namespace caffe {

// SameConv computes floats; a layer of doubles never has one.
inline const float* floats(const float* x) { return x; }
inline float* floats(float* x) { return x; }
inline float* floats(const double*) { return NULL; }

/**
 * @brief A layer of type Base that leaves its work on the CPU to a SameConv,
 *        where there is one for it: one group, float, and the kernel, stride
 *        and padding that the subclass serves.
 *
 * Anything else, and everything on a GPU, is Base's. `engine: CAFFE` in the
 * prototxt or CAFFE_DNNL=0 in the environment turn it off. Winograd's
 * transforms round otherwise than the definition: outputs and gradients agree
 * with Base's to about 1e-5 of their largest value.
 */
template <typename Dtype, template <typename> class Base>
class SameConvLayer : public Base<Dtype> {
 public:
  explicit SameConvLayer(const LayerParameter& param) : Base<Dtype>(param) {}

  virtual void Reshape(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top) {
    Base<Dtype>::Reshape(bottom, top);
    if (conv_shape_ == bottom[0]->shape()) { return; }
    conv_shape_ = bottom[0]->shape();
    conv_.reset();
    if (std::is_same<Dtype, float>::value && this->group_ == 1 &&
        this->channel_axis_ == 1 && dnnl_geometry(this->dilation_, 1)) {
      MakeConv(bottom[0]->shape(2), bottom[0]->shape(3));
    }
  }

 protected:
  /// @brief Sets conv_ and pieces_, if kernel, stride and padding are those
  ///        served.
  virtual void MakeConv(int height, int width) = 0;

  /// @brief The layer's weights and bias (may be null) as conv_ takes them.
  virtual const Dtype* ConvWeights() { return this->blobs_[0]->cpu_data(); }
  virtual const Dtype* ConvBias() {
    return this->bias_term_ ? this->blobs_[1]->cpu_data() : NULL;
  }

  /// @brief What conv_ is to add the gradient of ConvWeights() to.
  virtual Dtype* ConvWeightsDiff() {
    return this->blobs_[0]->mutable_cpu_diff();
  }
  /// @brief Called when it has added it.
  virtual void CollectWeightsDiff() {}

  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top) {
    if (!conv_) { return Base<Dtype>::Forward_cpu(bottom, top); }
    const float* weights = floats(ConvWeights());
    const float* bias = floats(ConvBias());
    for (int i = 0; i < bottom.size(); ++i) {
      conv_->Forward(floats(bottom[i]->cpu_data()), weights, bias, pieces_,
          floats(top[i]->mutable_cpu_data()));
    }
  }

  virtual void Backward_cpu(const vector<Blob<Dtype>*>& top,
      const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom) {
    if (!conv_) {
      return Base<Dtype>::Backward_cpu(top, propagate_down, bottom);
    }
    const bool learns = this->param_propagate_down_[0];
    const float* weights = floats(ConvWeights());
    float* weights_diff = learns ? floats(ConvWeightsDiff()) : NULL;
    for (int i = 0; i < top.size(); ++i) {
      const Dtype* top_diff = top[i]->cpu_diff();
      if (this->bias_term_ && this->param_propagate_down_[1]) {
        add_channel_sums(this->num_, this->num_output_,
            this->top_dim_ / this->num_output_, floats(top_diff),
            floats(this->blobs_[1]->mutable_cpu_diff()));
      }
      if (learns) {
        conv_->BackwardWeights(floats(bottom[i]->cpu_data()), pieces_,
            floats(top_diff), weights_diff);
      }
      if (propagate_down[i]) {
        conv_->BackwardData(pieces_, floats(top_diff), weights,
            floats(bottom[i]->mutable_cpu_diff()));
      }
    }
    if (learns) { CollectWeightsDiff(); }
  }

  shared_ptr<SameConv> conv_;  ///< null: not served
  vector<ConvPiece> pieces_;  ///< of the top

 private:
  vector<int> conv_shape_;    ///< of the bottom that conv_ is for
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_SAME_CONV_LAYER_HPP_
