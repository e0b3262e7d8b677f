#ifndef CAFFE_UTIL_RAR_HPP_
#define CAFFE_UTIL_RAR_HPP_

#include <vector>

#include <boost/shared_ptr.hpp>

#include "caffe/blob.hpp"
#include "caffe/util/native_pass.hpp"

/**
 * Compiled twins of RAR's Python layers, which say more (layers/ of this
 * project). N faces, L landmarks; a shape s is (N, L, 2), x before y, px of the
 * crop.
 */
namespace caffe {
namespace rar {

typedef boost::shared_ptr<NativePass<float> > Pass;

/// @brief heatmap.HeatmapDecodeLayer. p = softmax(conv8) over the places z of
///        each map (N, L, H, W); peak (N, L) = sum_z p(z) within `radius` of
///        the largest, s_d = sum_z p(z) z / peak.
Pass decode(int radius);
/// @brief heatmap.SoftmaxRegressionLossLayer. -sum_z q(z) log p(z), mean over
///        the N L maps; q is a Gaussian of width sigma at the true landmark,
///        cut at 3 sigma, with the sum 1, or 0 for one off the map.
Pass softmax_regression_loss(float sigma);

/// @brief The settings of face_fit.FitSettings that a fit needs.
struct FitSettings {
  double pose_threshold, threshold, penalty, ridge;
  int rounds, enough;
  std::vector<int> supports;
};

/// @brief initialisation.InitialisationLayer, mode "robust", eqs. (9)-(11).
///        basis: the layer's blob (K, L, 2); subsets (samples, size): the
///        landmarks from which poses are tried.
Pass robust_initialisation(
    const boost::shared_ptr<Blob<float> >& basis,
    const std::vector<std::vector<int> >& subsets, const FitSettings& settings);

/// @brief shape_indexed.ShapeIndexedFeatureLayer. phi_l (N, L, C): the largest
///        of deconv7 (N, C, H, W) in window x window places round s_l.
Pass window_maxima(int window);
/// @brief mean_shift.MeanShiftLayer. u_l (N, L, 2) = sum_z p_l(z) (z - s_l)
///        over the places z within `radius` of s_l; p as for `decode`.
Pass mean_shift(int radius);
/// @brief attention.AttentionCentreLayer, eqs. (12) and (15): c = argmax h,
///        Gamma_l = kappa exp(-|s_l - s_c|^2 / (width D)^2) (N, L), with
///        D = |sum_l pupils_l s_l|. peak: kappa is 1, else the sum of Gamma is.
///        Backward, straight_through: as if Gamma were sum_c p_c Gamma(c), with
///        p = softmax(h / temperature).
Pass centre(const std::vector<float>& pupils, float width, bool peak,
    float temperature, bool straight_through);
/// @brief reweight.ReweightLayer, eq. (16). Phi = scale Gamma phi, (1, N, L C).
Pass reweight(float scale);
/// @brief refinement.ShapeUpdateLayer, eqs. (17), (19). delta = alpha Gamma h
///        (N, L, 2); s + delta, or s + Gamma delta with `twice`.
Pass update_shape(float alpha, bool twice);

}  // namespace rar
}  // namespace caffe

#endif  // CAFFE_UTIL_RAR_HPP_
