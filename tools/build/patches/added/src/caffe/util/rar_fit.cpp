#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "caffe/common.hpp"
#include "caffe/util/cores.hpp"
#include "caffe/util/mkl_alternate.hpp"
#include "caffe/util/rar.hpp"
#include "caffe/util/simd.hpp"

// LAPACK, which OpenBLAS carries.
extern "C" {
void dpotrf_(const char* half, const int* n, double* matrix, const int* stride,
    int* failed);
void dpotrs_(const char* half, const int* n, const int* columns,
    const double* factor, const int* stride, double* x, const int* x_stride,
    int* failed);
}

namespace caffe {
namespace rar {

namespace {

typedef std::complex<double> Point;
typedef std::vector<Point> Shape;
typedef std::vector<char> Choice;  // of landmarks

// What keeps a degenerate shape from dividing by zero, as in face_fit.py.
const double kSmallestSpread = 1e-12, kSmallestScale = 1e-12;
const float kSmallestSearchedScale = 1e-6;

struct Similarity {
  Point a, b;  // target ~ a source + b
};

template <typename Visit>
void for_each_kept(const Choice& keep, Visit visit) {
  for (size_t l = 0; l < keep.size(); ++l) {
    if (keep[l]) { visit(l); }
  }
}

Similarity similarity(const Shape& source,
    const Shape& target, const Choice& keep) {
  Point source_mean, target_mean, cross;
  double spread = 0;
  int count = 0;
  for_each_kept(keep, [&](int l) {
    source_mean += source[l];
    target_mean += target[l];
    ++count;
  });
  source_mean /= count;
  target_mean /= count;
  for_each_kept(keep, [&](int l) {
    const Point centred = source[l] - source_mean;
    cross += std::conj(centred) * (target[l] - target_mean);
    spread += std::norm(centred);
  });
  Point a = cross / std::max(spread, kSmallestSpread);
  if (!(std::abs(a) > kSmallestScale)) { a = kSmallestScale; }
  return {a, target_mean - a * source_mean};
}

const int kLanes = 16;  // poses that are tried at once

// The poses of one basis shape tried, by lane: (v, u), the inverse of each, so
// that residuals are in the basis shapes' unit.
struct Poses {
  float v_x[kLanes], v_y[kLanes], u_x[kLanes], u_y[kLanes];
};

// The inverse of p ~ a S + b, with a = sum_m inverse_m (p_m - mean p), from
// the subsets' places (size, samples) and their means.
CAFFE_CLONES void inverse_poses(int size, int samples, const float* inverse_x,
    const float* inverse_y, const float* x, const float* y,
    const float* mean_x, const float* mean_y, const float* basis_mean_x,
    const float* basis_mean_y, Poses* poses) {
#pragma omp simd
  for (int s = 0; s < kLanes; ++s) {
    float a_x = 0, a_y = 0;
    for (int i = s; i < size * samples; i += samples) {
      a_x += inverse_x[i] * x[i] - inverse_y[i] * y[i];
      a_y += inverse_x[i] * y[i] + inverse_y[i] * x[i];
    }
    const float squared = a_x * a_x + a_y * a_y;
    const bool fits =
        squared > kSmallestSearchedScale * kSmallestSearchedScale;
    const float v_x = fits ? a_x / squared : 1 / kSmallestSearchedScale;
    const float v_y = fits ? -a_y / squared : 0;
    poses->v_x[s] = v_x;
    poses->v_y[s] = v_y;
    poses->u_x[s] = v_x * mean_x[s] - v_y * mean_y[s] - basis_mean_x[s];
    poses->u_y[s] = v_x * mean_y[s] + v_y * mean_x[s] - basis_mean_y[s];
  }
}

// For every pose: the residuals |S + u - v p|^2 of all landmarks over the
// threshold, cut at 1, summed up; and how many are 1.
CAFFE_CLONES void residuals(int landmarks, const float* basis_x,
    const float* basis_y, const float* x, const float* y, const Poses& poses,
    float factor, float* sum, float* outliers) {
  float total[kLanes] = {}, count[kLanes] = {};
  for (int l = 0; l < landmarks; ++l) {
#pragma omp simd
    for (int s = 0; s < kLanes; ++s) {
      const float right = basis_x[l] + poses.u_x[s] - poses.v_x[s] * x[l] +
          poses.v_y[s] * y[l];
      const float down = basis_y[l] + poses.u_y[s] - poses.v_x[s] * y[l] -
          poses.v_y[s] * x[l];
      const float relative = (right * right + down * down) * factor;
      total[s] += relative < 1 ? relative : 1;
      count[s] += relative < 1 ? 0 : 1;
    }
  }
  std::copy(total, total + kLanes, sum);
  std::copy(count, count + kLanes, outliers);
}

// The ridge solution of directions c ~ offset over the landmarks kept:
// (D^T D + ridge I) c = D^T offset, with a row of D for every x and y.
class Ridge {
 public:
  Ridge(const std::vector<Shape>& directions, double ridge)
      : n_(directions.size()), ridge_(ridge), directions_(directions) {}

  std::vector<double> Solve(const Choice& keep, const Shape& offset) {
    std::vector<double> solution(n_);
    if (n_ == 0) { return solution; }
    if (keep != kept_) { Factorise(keep); }
    std::vector<double> wanted;
    for_each_kept(keep, [&](int l) {
      wanted.push_back(offset[l].real());
      wanted.push_back(offset[l].imag());
    });
    cblas_dgemv(CblasColMajor, CblasNoTrans, n_, wanted.size(), 1,
        rows_.data(), n_, wanted.data(), 1, 0, solution.data(), 1);
    const int one = 1;
    int failed;
    dpotrs_("L", &n_, &one, factor_.data(), &n_, solution.data(), &n_, &failed);
    return solution;
  }

 private:
  void Factorise(const Choice& keep) {
    kept_ = keep;
    rows_.clear();
    for_each_kept(keep, [&](int l) {
      for (const Shape& shape : directions_) {
        rows_.push_back(shape[l].real());
      }
      for (const Shape& shape : directions_) {
        rows_.push_back(shape[l].imag());
      }
    });
    factor_.assign(static_cast<size_t>(n_) * n_, 0);
    for (int i = 0; i < n_; ++i) {
      factor_[static_cast<size_t>(i) * (n_ + 1)] = ridge_;
    }
    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, n_, rows_.size() / n_,
        1, rows_.data(), n_, 1, factor_.data(), n_);
    int failed;  // never: the ridge makes it positive definite
    dpotrf_("L", &n_, factor_.data(), &n_, &failed);
  }

  int n_;
  double ridge_;
  std::vector<Shape> directions_;
  std::vector<double> rows_;    ///< D over kept_, (2 kept, n)
  std::vector<double> factor_;  ///< of the normal matrix, by Cholesky
  Choice kept_;
};

// face_fit.FaceSpace: the space of K basis shapes, eqs. (9)-(11).
class FaceSpace {
 public:
  // basis: (K, L, 2).
  FaceSpace(int basis_size, int landmarks, const float* basis,
      const std::vector<std::vector<int> >& subsets,
      const FitSettings& settings);
  // The shape (L, 2), px, that minimises eq. (11) for s_d (L, 2), px.
  void Fit(const float* s_d, float* shape) const;

 private:
  // RANSAC: the nearest basis shape, and who agrees with it.
  int FilterOutliers(const Shape& target, Choice* inliers) const;
  // Eq. (10); returns the value of eq. (11).
  double Combine(const Shape& target, int nearest, Choice keep, int support,
      Shape* shape) const;
  // The `support` - 1 basis shapes nearest to the shape wanted, but for
  // `nearest`: what each adds to that one.
  std::vector<Shape> Directions(const Shape& wanted, int nearest,
      const Choice& keep, int support) const;

  int basis_size_, landmarks_, samples_, size_;
  FitSettings settings_;
  std::vector<Shape> basis_;
  std::vector<std::vector<int> > subsets_;
  std::vector<float> basis_x_, basis_y_;      // (K, L)
  std::vector<float> mean_x_, mean_y_;        // of the subsets, (K, samples)
  std::vector<float> inverse_x_, inverse_y_;  // (K, size, samples)
};

FaceSpace::FaceSpace(int basis_size, int landmarks, const float* basis,
    const std::vector<std::vector<int> >& subsets, const FitSettings& settings)
    : basis_size_(basis_size), landmarks_(landmarks),
      samples_((subsets.size() + kLanes - 1) / kLanes * kLanes),
      size_(subsets[0].size()), settings_(settings), subsets_(subsets) {
  subsets_.resize(samples_, subsets.back());  // again, to fill the lanes
  inverse_x_.resize(basis_size_ * size_ * samples_);
  inverse_y_.resize(inverse_x_.size());
  for (int k = 0; k < basis_size_; ++k) {
    Shape shape;
    for (int l = 0; l < landmarks_; ++l) {
      const float* point = basis + 2 * (k * landmarks_ + l);
      shape.push_back(Point(point[0], point[1]));
      basis_x_.push_back(point[0]);
      basis_y_.push_back(point[1]);
    }
    for (int s = 0; s < samples_; ++s) {
      Point mean;
      for (int l : subsets_[s]) { mean += shape[l]; }
      mean /= size_;
      double spread = 0;
      for (int l : subsets_[s]) { spread += std::norm(shape[l] - mean); }
      mean_x_.push_back(mean.real());
      mean_y_.push_back(mean.imag());
      for (int m = 0; m < size_; ++m) {
        const Point inverse = std::conj(shape[subsets_[s][m]] - mean) /
            std::max(spread, kSmallestSpread);
        inverse_x_[(k * size_ + m) * samples_ + s] = inverse.real();
        inverse_y_[(k * size_ + m) * samples_ + s] = inverse.imag();
      }
    }
    basis_.push_back(shape);
  }
}

void FaceSpace::Fit(const float* s_d, float* shape) const {
  Shape target(landmarks_);
  for (int l = 0; l < landmarks_; ++l) {
    target[l] = Point(s_d[2 * l], s_d[2 * l + 1]);
  }
  Choice inliers;
  const int nearest = FilterOutliers(target, &inliers);
  const int count = settings_.supports.size();
  std::vector<double> values(count);
  std::vector<Shape> shapes(count);
#pragma omp parallel for num_threads(cores::threads()) schedule(dynamic) \
    if (count > 1)
  for (int i = count - 1; i >= 0; --i) {  // the largest takes longest
    values[i] = Combine(target, nearest, inliers, settings_.supports[i],
        &shapes[i]);
  }
  const Shape& best = shapes[
      std::min_element(values.begin(), values.end()) - values.begin()];
  for (int l = 0; l < landmarks_; ++l) {
    shape[2 * l] = best[l].real();
    shape[2 * l + 1] = best[l].imag();
  }
}

int FaceSpace::FilterOutliers(const Shape& target, Choice* inliers) const {
  const Point middle =
      std::accumulate(target.begin(), target.end(), Point()) /
      static_cast<double>(landmarks_);
  std::vector<float> x(landmarks_), y(landmarks_);
  for (int l = 0; l < landmarks_; ++l) {
    x[l] = (target[l] - middle).real();
    y[l] = (target[l] - middle).imag();
  }
  // The subsets' places and their means.
  std::vector<float> mean_x(samples_), mean_y(samples_);
  std::vector<float> sampled_x(size_ * samples_), sampled_y(size_ * samples_);
  for (int s = 0; s < samples_; ++s) {
    const std::vector<int>& chosen = subsets_[s];
    for (int l : chosen) {
      mean_x[s] += x[l] / size_;
      mean_y[s] += y[l] / size_;
    }
    for (int m = 0; m < size_; ++m) {
      sampled_x[m * samples_ + s] = x[chosen[m]] - mean_x[s];
      sampled_y[m * samples_ + s] = y[chosen[m]] - mean_y[s];
    }
  }
  const float factor =
      1 / (settings_.pose_threshold * settings_.pose_threshold);
  struct Best {
    double score = std::numeric_limits<double>::max();
    std::complex<float> v, u;
  };
  std::vector<Best> bests(basis_size_);
#pragma omp parallel for num_threads(cores::threads())
  for (int k = 0; k < basis_size_; ++k) {
    Best& best = bests[k];
    for (int first = 0; first < samples_; first += kLanes) {
      Poses poses;
      float truncated[kLanes], outliers[kLanes];
      const int place = k * size_ * samples_ + first;
      const int mean = k * samples_ + first;
      inverse_poses(size_, samples_, &inverse_x_[place], &inverse_y_[place],
          &sampled_x[first], &sampled_y[first], &mean_x[first],
          &mean_y[first], &mean_x_[mean], &mean_y_[mean], &poses);
      residuals(landmarks_, &basis_x_[k * landmarks_],
          &basis_y_[k * landmarks_], x.data(), y.data(), poses, factor,
          truncated, outliers);
      for (int s = 0; s < kLanes; ++s) {
        // The l0 count decides; the truncated mean, below 1, breaks ties.
        const double score = outliers[s] +
            static_cast<double>(truncated[s]) / landmarks_;
        if (score < best.score) {
          best.score = score;
          best.v = std::complex<float>(poses.v_x[s], poses.v_y[s]);
          best.u = std::complex<float>(poses.u_x[s], poses.u_y[s]);
        }
      }
    }
  }
  const int nearest = std::min_element(bests.begin(), bests.end(),
      [](const Best& a, const Best& b) { return a.score < b.score; }) -
      bests.begin();
  inliers->assign(landmarks_, 0);
  for (int l = 0; l < landmarks_; ++l) {
    const std::complex<float> s(basis_x_[nearest * landmarks_ + l],
        basis_y_[nearest * landmarks_ + l]);
    (*inliers)[l] = std::norm(s + bests[nearest].u -
        bests[nearest].v * std::complex<float>(x[l], y[l])) * factor < 1;
  }
  return nearest;
}

std::vector<Shape> FaceSpace::Directions(const Shape& wanted,
    int nearest, const Choice& keep, int support) const {
  std::vector<double> distance(basis_size_);
  for (int k = 0; k < basis_size_; ++k) {
    for_each_kept(keep, [&](int l) {
      distance[k] += std::norm(basis_[k][l] - wanted[l]);
    });
  }
  distance[nearest] = -1;
  std::vector<int> order(basis_size_);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
      [&](int i, int j) { return distance[i] < distance[j]; });
  std::vector<Shape> directions;
  for (int i = 1; i < std::min(support, basis_size_); ++i) {
    directions.push_back(basis_[order[i]]);
    for (int l = 0; l < landmarks_; ++l) {
      directions.back()[l] -= basis_[nearest][l];
    }
  }
  return directions;
}

double FaceSpace::Combine(const Shape& target, int nearest, Choice keep,
    int support, Shape* result) const {
  const int enough = settings_.enough;
  const auto count = [](const Choice& of) {
    return std::accumulate(of.begin(), of.end(), 0);
  };
  if (count(keep) < enough) { keep.assign(landmarks_, 1); }
  const Shape& start = basis_[nearest];
  Shape shape = start, wanted(landmarks_);
  std::vector<Shape> directions;
  std::vector<Ridge> ridge;
  std::vector<double> residual(landmarks_);
  for (int round = 0; round < settings_.rounds; ++round) {
    Similarity pose = similarity(shape, target, keep);
    for (int l = 0; l < landmarks_; ++l) {
      wanted[l] = (target[l] - pose.b) / pose.a;
    }
    if (ridge.empty()) {
      directions = Directions(wanted, nearest, keep, support);
      ridge.emplace_back(directions, settings_.ridge);
    }
    for (int l = 0; l < landmarks_; ++l) { wanted[l] -= start[l]; }
    const std::vector<double> coefficients = ridge[0].Solve(keep, wanted);
    shape = start;
    for (size_t i = 0; i < directions.size(); ++i) {
      for (int l = 0; l < landmarks_; ++l) {
        shape[l] += coefficients[i] * directions[i][l];
      }
    }
    pose = similarity(shape, target, keep);
    Choice agree(landmarks_);
    for (int l = 0; l < landmarks_; ++l) {
      residual[l] = std::abs(pose.a * shape[l] + pose.b - target[l]) /
          std::abs(pose.a);
      agree[l] = residual[l] < settings_.threshold;
    }
    if (count(agree) >= enough) { keep = agree; }
  }
  double outliers = 0, mean = 0;
  for (double r : residual) {
    outliers += r < settings_.threshold ? 0 : 1;
    mean += std::min(r / settings_.threshold, 1.) / landmarks_;
  }
  const Similarity pose = similarity(shape, target, keep);
  for (Point& point : shape) { point = pose.a * point + pose.b; }
  result->swap(shape);
  return outliers + settings_.penalty * support + mean;
}

class RobustInitialisation : public NativePass<float> {
 public:
  RobustInitialisation(const boost::shared_ptr<Blob<float> >& basis,
      const std::vector<std::vector<int> >& subsets,
      const FitSettings& settings)
      : basis_(basis), subsets_(subsets), settings_(settings) {}

  virtual bool Forward(const std::vector<Blob<float>*>& bottom,
      const std::vector<Blob<float>*>& top) {
    const int size = bottom[0]->count(1);
    if (size != basis_->count(1) || !Prepare()) { return false; }
    for (int n = 0; n < bottom[0]->shape(0); ++n) {
      space_->Fit(bottom[0]->cpu_data() + n * size,
          top[0]->mutable_cpu_data() + n * size);
    }
    return true;
  }

 private:
  // The space of the basis that is there now: weights are loaded after setup.
  bool Prepare() {
    const float* basis = basis_->cpu_data();
    const int count = basis_->count();
    if (known_.size() != static_cast<size_t>(count) ||
        std::memcmp(known_.data(), basis, count * sizeof(float)) != 0) {
      known_.assign(basis, basis + count);
      space_.reset(new FaceSpace(basis_->shape(0), basis_->shape(1), basis,
          subsets_, settings_));
      empty_ = std::count(known_.begin(), known_.end(), 0.f) == count;
    }
    return !empty_;
  }

  boost::shared_ptr<Blob<float> > basis_;
  std::vector<std::vector<int> > subsets_;
  FitSettings settings_;
  std::vector<float> known_;  // the basis of space_
  bool empty_ = true;
  boost::shared_ptr<FaceSpace> space_;
};

}  // namespace

Pass robust_initialisation(const boost::shared_ptr<Blob<float> >& basis,
    const std::vector<std::vector<int> >& subsets,
    const FitSettings& settings) {
  return Pass(new RobustInitialisation(basis, subsets, settings));
}

}  // namespace rar
}  // namespace caffe
