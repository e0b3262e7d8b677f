#ifdef USE_DNNL

#include "caffe/util/conv3x3.hpp"
#include "caffe/util/direct_conv.hpp"
#include "caffe/util/dnnl_conv.hpp"
#include "caffe/util/winograd_conv.hpp"

namespace caffe {

namespace {

// Where the definition, with AVX-512, is faster than Winograd's algorithm.
const int kFewChannels = 24;

bool few_channels(const ConvSize& size) {
  return size.channels * size.outputs <= kFewChannels * kFewChannels;
}

// `direct` where it serves: outputs and the bottom's diff. The rest is the
// other's.
class DirectConv : public Conv3x3 {
 public:
  DirectConv(const ConvSize& size, const shared_ptr<Conv3x3>& other)
      : maps_{size.num, size.channels, size.height, size.width, size.outputs},
        other_(other) {}
  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>&, float* top) {
    direct::convolve(maps_, 3, bottom, weights, bias, top);
  }
  virtual void BackwardData(const std::vector<ConvPiece>&,
      const float* top_diff, const float* weights, float* bottom_diff) {
    direct::convolve_back(maps_, 3, top_diff, weights, bottom_diff);
  }
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff) {
    other_->BackwardWeights(bottom, pieces, top_diff, weights_diff);
  }

 private:
  MapsToMaps maps_;
  shared_ptr<Conv3x3> other_;
};

}  // namespace

shared_ptr<Conv3x3> Conv3x3::Create(const ConvSize& size, bool bias,
    bool by_definition) {
  shared_ptr<Conv3x3> conv;
  if (WinogradConv::Serves(size)) {
    conv.reset(new WinogradConv(size));
  } else if (by_definition) {
    conv.reset(new DnnlConv(size, bias));
  }
  if (conv && by_definition && direct::available() && few_channels(size)) {
    conv.reset(new DirectConv(size, conv));
  }
  return conv;
}

}  // namespace caffe

#endif  // USE_DNNL
