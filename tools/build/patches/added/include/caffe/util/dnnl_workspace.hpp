#ifndef CAFFE_UTIL_DNNL_WORKSPACE_HPP_
#define CAFFE_UTIL_DNNL_WORKSPACE_HPP_

#ifdef USE_DNNL

#include <cstdlib>
#include <memory>
#include <unordered_map>

#include <dnnl.hpp>

#include "caffe/common.hpp"

// What all users of oneDNN need: for .cpp files only.
namespace caffe {
namespace dnnl_tools {

enum Role { BOTTOM, TOP, WEIGHTS, SCRATCH };

// Buffers that all layers of a thread share, one for each role: no layer needs
// them after its call, and a buffer a layer would take 1.5 GiB at VGG's sizes.
class Workspace {
 public:
  dnnl::memory Get(Role role, const dnnl::memory::desc& desc) {
    Buffer& buffer = buffers_[role];
    if (buffer.size < desc.get_size()) {
      const size_t size = (desc.get_size() + 63) / 64 * 64;
      buffer.data.reset(std::aligned_alloc(64, size));
      CHECK(buffer.data) << "out of memory: oneDNN needs " << size << " bytes";
      buffer.size = size;
    }
    return dnnl::memory(desc, engine, buffer.data.get());
  }

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

 private:
  struct Free {
    void operator()(void* data) const { std::free(data); }
  };
  struct Buffer {
    std::unique_ptr<void, Free> data;
    size_t size = 0;
  };
  Buffer buffers_[SCRATCH + 1];
};

inline Workspace& workspace() {
  static thread_local Workspace shared;
  return shared;
}

inline dnnl::memory wrap(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, workspace().engine, const_cast<void*>(data));
}

// to = from, or to += from
inline void convert(const dnnl::memory& from, dnnl::memory to,
    bool add = false) {
  dnnl::primitive_attr attributes;
  if (add) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  dnnl::reorder::primitive_desc desc(from, to, attributes);
  dnnl::memory source(from);
  dnnl::reorder(desc).execute(workspace().stream, source, to);
}

// The numbers in the layout wanted: themselves if they have it already.
inline dnnl::memory converted(Role role, const dnnl::memory& from,
    const dnnl::memory::desc& wanted) {
  if (from.get_desc() == wanted) { return from; }
  dnnl::memory to = workspace().Get(role, wanted);
  convert(from, to);
  return to;
}

// Some channels of a blob in oneDNN's layout.
inline dnnl::memory::desc part(const dnnl::memory::desc& whole,
    int first_channel, int channels) {
  dnnl::memory::dims dims = whole.dims();
  dims[1] = channels;
  return whole.submemory_desc(dims, {0, first_channel, 0, 0});
}

template <typename Primitive, typename Desc>
void run(const Desc& desc, std::unordered_map<int, dnnl::memory> arguments) {
  arguments.insert({DNNL_ARG_SCRATCHPAD,
      workspace().Get(SCRATCH, desc.scratchpad_desc())});
  Primitive(desc).execute(workspace().stream, arguments);
  workspace().stream.wait();
}

}  // namespace dnnl_tools
}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_UTIL_DNNL_WORKSPACE_HPP_
