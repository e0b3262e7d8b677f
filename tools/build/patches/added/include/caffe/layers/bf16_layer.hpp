#ifndef CAFFE_BF16_LAYER_HPP_
#define CAFFE_BF16_LAYER_HPP_

#ifdef USE_DNNL

#include <algorithm>
#include <type_traits>
#include <vector>

#include "caffe/layers/same_conv_layer.hpp"
#include "caffe/util/bf16_conv.hpp"

namespace caffe {

/// @brief A layer that can leave its top in bf16 if an in-place ReLU is next.
class Bf16Top {
 public:
  virtual ~Bf16Top() {}
  /// @brief A ReLU in place reads the top before anything else does.
  virtual void set_rectified() = 0;
};

/**
 * @brief A layer of type Base that multiplies in bf16 on the CPU where a
 *        Bf16Conv serves its sizes; everything else is Base's.
 *
 * Weights, their gradients and all sums are float. Where the next layer is a
 * ReLU in place, the top stays in bf16 and is rectified already here; a top
 * that something else reads is float.
 */
template <typename Dtype, template <typename> class Base>
class Bf16Layer : public Base<Dtype>, public Bf16Top {
 public:
  explicit Bf16Layer(const LayerParameter& param)
      : Base<Dtype>(param), rectified_(false) {}

  virtual void set_rectified() { rectified_ = true; bf16_shape_.clear(); }

 protected:
  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top) {
    if (!Serves(*bottom[0])) { return Base<Dtype>::Forward_cpu(bottom, top); }
    const float* weights = floats(this->ConvWeights());
    const float* bias = floats(this->ConvBias());
    for (int i = 0; i < bottom.size(); ++i) {
      bf16_conv_->Forward(bottom[i]->data().get(), weights, bias,
          top[i]->data().get());
    }
  }

  virtual void Backward_cpu(const vector<Blob<Dtype>*>& top,
      const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom) {
    if (!Serves(*bottom[0])) {
      return Base<Dtype>::Backward_cpu(top, propagate_down, bottom);
    }
    const bool learns = this->param_propagate_down_[0];
    const bool bias_learns =
        this->bias_term_ && this->param_propagate_down_[1];
    const float* weights = floats(this->ConvWeights());
    float* weights_diff = learns ? floats(this->ConvWeightsDiff()) : NULL;
    bias_diff_.resize(this->pieces_.size() * this->num_output_);
    float* bias_diff = learns || bias_learns ? bias_diff_.data() : NULL;
    for (int i = 0; i < top.size(); ++i) {
      bf16_conv_->Backward(bottom[i]->data().get(), top[i]->diff().get(),
          weights, weights_diff, bias_diff,
          propagate_down[i] ? bottom[i]->diff().get() : NULL);
      if (bias_learns) { AddBiasDiff(); }
    }
    if (learns) { this->CollectWeightsDiff(); }
  }

 private:
  // Whether there is a bf16_conv_ for bottoms like this one.
  bool Serves(const Blob<Dtype>& bottom) {
    if (bf16_shape_ == bottom.shape()) { return bf16_conv_.get() != NULL; }
    bf16_shape_ = bottom.shape();
    bf16_conv_.reset();
    if (std::is_same<Dtype, float>::value && this->group_ == 1 &&
        this->channel_axis_ == 1 && bottom.num_axes() == 4 &&
        dnnl_geometry(this->dilation_, 1)) {
      MakeBf16Conv(bottom.shape(2), bottom.shape(3));
    }
    return bf16_conv_.get() != NULL;
  }

  void MakeBf16Conv(int height, int width) {
    const int kernel = this->ConvKernel();
    if (!kernel) { return; }
    this->pieces_ = this->Pieces(height, width);
    const int outputs = this->pieces_.size() * this->num_output_;
    const ConvSize size = {this->num_, this->channels_, height, width, outputs};
    if (!Bf16Conv::Serves(size, kernel)) { return; }
    try {
      bf16_conv_.reset(new Bf16Conv(size, kernel, this->bias_term_,
          this->pieces_, rectified_));
    } catch (const dnnl::error&) {  // it has no such kernel for this CPU
    }
  }

  void AddBiasDiff() {
    Dtype* diff = this->blobs_[1]->mutable_cpu_diff();
    for (int i = 0; i < bias_diff_.size(); ++i) {
      diff[i % this->num_output_] += bias_diff_[i];
    }
  }

  bool rectified_;
  vector<int> bf16_shape_;    ///< of the bottom that bf16_conv_ is for
  shared_ptr<Bf16Conv> bf16_conv_;  ///< null: not served
  vector<float> bias_diff_;
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_BF16_LAYER_HPP_
