#include <cstdlib>
#include <cstring>

#include "caffe/util/tf32.hpp"

namespace caffe {

bool tf32_wanted() {
  const char* setting = std::getenv("CAFFE_TF32");
  return setting && std::strcmp(setting, "1") == 0;
}

}  // namespace caffe
