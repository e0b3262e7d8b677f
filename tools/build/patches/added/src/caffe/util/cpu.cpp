#ifdef USE_DNNL
#include <dnnl.hpp>
#endif

#include "caffe/util/cpu.hpp"

namespace caffe {

namespace {

#ifdef USE_DNNL
bool allowed(dnnl::cpu_isa wanted) {
  const int there = static_cast<int>(dnnl::get_effective_cpu_isa());
  return (there & static_cast<int>(wanted)) == static_cast<int>(wanted);
}
#endif

}  // namespace

bool cpu_has_avx2() {
#if defined(__x86_64__) && defined(USE_DNNL)
  return allowed(dnnl::cpu_isa::avx2);
#elif defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool cpu_has_avx512() {
#if defined(__x86_64__) && defined(USE_DNNL)
  return allowed(dnnl::cpu_isa::avx512_core);
#elif defined(__x86_64__)
  return __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

}  // namespace caffe
