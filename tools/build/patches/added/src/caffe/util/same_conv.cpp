#ifdef USE_DNNL

#include "caffe/util/same_conv.hpp"
#include "caffe/util/direct_conv.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/pointwise_conv.hpp"
#include "caffe/util/winograd_conv.hpp"

namespace caffe {

namespace {

// Fewer make the transforms of Winograd's algorithm cost more than they save.
const int kLeastChannels = 16;
// Channels and outputs up to which the definition, with AVX-512, is faster.
const int kFewChannels = 24;

bool few_channels(const ConvSize& size) {
  return size.channels < kLeastChannels || (direct::available() &&
      size.channels * size.outputs <= kFewChannels * kFewChannels);
}

// By the definition; the gradient of the weights by Winograd's algorithm, which
// hardly costs more and is the same with any number of threads.
class FewChannelsConv : public SameConv {
 public:
  FewChannelsConv(const ConvSize& size, bool bias)
      : maps_{size.num, size.channels, size.height, size.width, size.outputs},
        winograd_(size) {
    if (!direct::available()) { definition_.reset(new DnnlConv(size, bias)); }
  }
  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>& pieces, float* top) {
    definition_ ? definition_->Forward(bottom, weights, bias, pieces, top)
        : direct::convolve(maps_, bottom, weights, bias, top);
  }
  virtual void BackwardData(const std::vector<ConvPiece>& pieces,
      const float* top_diff, const float* weights, float* bottom_diff) {
    definition_ ?
        definition_->BackwardData(pieces, top_diff, weights, bottom_diff)
        : direct::convolve_back(maps_, top_diff, weights, bottom_diff);
  }
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff) {
    winograd_.BackwardWeights(bottom, pieces, top_diff, weights_diff);
  }

 private:
  MapsToMaps maps_;
  shared_ptr<DnnlConv> definition_;  // null: `direct` serves
  WinogradConv winograd_;
};

}  // namespace

shared_ptr<SameConv> SameConv::Create(const ConvSize& size, int kernel,
    bool bias, bool by_definition) {
  shared_ptr<SameConv> conv;
  if (kernel == 1) {
    if (PointwiseConv::Available()) { conv.reset(new PointwiseConv(size)); }
    return conv;
  }
  if (!WinogradConv::Available()) {
    if (by_definition) { conv.reset(new DnnlConv(size, bias)); }
  } else if (by_definition && few_channels(size)) {
    conv.reset(new FewChannelsConv(size, bias));
  } else if (size.channels >= kLeastChannels) {
    conv.reset(new WinogradConv(size));
  }
  return conv;
}

}  // namespace caffe

#endif  // USE_DNNL
