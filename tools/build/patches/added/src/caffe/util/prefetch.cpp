#include <algorithm>
#include <cstdint>
#include <vector>

#include "caffe/util/prefetch.hpp"

namespace caffe {

namespace {

const size_t kLine = 64;          // bytes
const size_t kStart = 4 * kLine;  // of numbers; more the CPU fetches by itself
const size_t kOwn = 2 * kLine;    // what a layer has beyond what all have

}  // namespace

template <typename Dtype>
void Prefetch<Dtype>::add(const void* start, size_t bytes) {
  if (!start) { return; }
  const char* const first = static_cast<const char*>(start);
  const char* line = first - reinterpret_cast<uintptr_t>(first) % kLine;
  for (; line < first + bytes; line += kLine) { lines_.push_back(line); }
}

template <typename Dtype>
void Prefetch<Dtype>::add(SyncedMemory* memory) {
  if (!memory) { return; }
  add(memory, sizeof(*memory));
  add(memory->cpu_address(), std::min(memory->size(), kStart));
}

template <typename Dtype>
void Prefetch<Dtype>::learn(const vector<shared_ptr<Layer<Dtype> > >& layers,
    const vector<vector<Blob<Dtype>*> >& bottoms,
    const vector<vector<Blob<Dtype>*> >& tops, bool gradients) {
  lines_.clear();
  firsts_.assign(1, 0);
  for (int i = 0; i < layers.size(); ++i) {
    add(layers[i].get(), sizeof(*layers[i]) + kOwn);
    vector<Blob<Dtype>*> blobs;
    for (const vector<Blob<Dtype>*>* side : {&bottoms[i], &tops[i]}) {
      add(side, sizeof(*side));
      add(side->data(), side->size() * sizeof(side->front()));
      blobs.insert(blobs.end(), side->begin(), side->end());
    }
    for (const shared_ptr<Blob<Dtype> >& weights : layers[i]->blobs()) {
      blobs.push_back(weights.get());
    }
    for (Blob<Dtype>* blob : blobs) {
      add(blob, sizeof(*blob));
      add(blob->shape().data(), blob->num_axes() * sizeof(int));
      add(blob->data().get());
      if (gradients) { add(blob->diff().get()); }
    }
    const vector<const char*>::iterator first = lines_.begin() + firsts_.back();
    std::sort(first, lines_.end());
    lines_.erase(std::unique(first, lines_.end()), lines_.end());
    firsts_.push_back(lines_.size());
  }
}

template <typename Dtype>
void Prefetch<Dtype>::fetch(int layer) const {
  if (layer < 0 || layer + 1 >= static_cast<int>(firsts_.size())) { return; }
  for (size_t i = firsts_[layer]; i < firsts_[layer + 1]; ++i) {
    __builtin_prefetch(lines_[i]);
  }
}

INSTANTIATE_CLASS(Prefetch);

}  // namespace caffe
