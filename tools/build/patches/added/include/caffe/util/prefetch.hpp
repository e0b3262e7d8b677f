#ifndef CAFFE_UTIL_PREFETCH_HPP_
#define CAFFE_UTIL_PREFETCH_HPP_

#include <vector>

#include "caffe/blob.hpp"
#include "caffe/layer.hpp"

namespace caffe {

/**
 * What each layer of a net touches first: its objects and the beginnings of its
 * blobs. They are fetched into the cache while layers before it run, since a
 * net of hundreds of small layers waits longer for these than it computes.
 *
 * What has moved since is fetched in vain, and does no harm.
 */
template <typename Dtype>
class Prefetch {
 public:
  /// @brief Layers that run until what is fetched is there.
  static const int kLayers = 4;

  bool known() const { return !firsts_.empty(); }
  void forget() { firsts_.clear(); }
  /// @param gradients Whether layers touch those too, as in a backward pass.
  void learn(const vector<shared_ptr<Layer<Dtype> > >& layers,
      const vector<vector<Blob<Dtype>*> >& bottoms,
      const vector<vector<Blob<Dtype>*> >& tops, bool gradients);
  /// @brief Of a layer, if it is known and there is one of this number.
  void fetch(int layer) const;

 private:
  void add(const void* start, size_t bytes);
  void add(SyncedMemory* memory);

  vector<const char*> lines_;  // of the cache, layer by layer
  vector<size_t> firsts_;      // of each layer in lines_, and the end
};

}  // namespace caffe

#endif  // CAFFE_UTIL_PREFETCH_HPP_
