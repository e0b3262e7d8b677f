// A stage in words and numbers: what the panel beside the face and screen readers say.
const DIGITS = "₀₁₂₃₄₅₆₇₈₉";

const below = (number) => [...String(number)].map((digit) => DIGITS[digit]).join("");
const percent = (share) => `${Math.round(100 * share)} %`;
const px = (length) => `${length.toFixed(2)} px`;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const mean = (numbers) => sum(numbers) / numbers.length;
const moves = (from, to) => from.map(([x, y], l) => Math.hypot(to[l][0] - x, to[l][1] - y));

// stage: { t of S_hat_t, -1 for S_d; steps; shapes of all stages; place among them; confidence; gamma; centre; groups }.
// Returns the symbol [letter, index], title, words, key to the drawing, and bars with a caption, one a facial part.
export function account(stage) {
  const told = stage.t < 0 ? detected(stage) : stage.t < stage.steps ? step(stage) : result(stage);
  return { symbol: stage.t < 0 ? ["S", "d"] : ["Ŝ", stage.t], ...told };
}

function detected({ confidence, groups }) {
  const bars = byPart(groups, confidence, mean);
  return {
    title: "detected",
    words: "Where the response maps of conv8 have their peaks, each landmark by itself.",
    key: "Dots: landmarks, larger and stronger where the peak is sharp.",
    caption: "Confidence of the peaks",
    bars: bars.map(([part, share]) => ({ part, share, label: percent(share) })),
  };
}

function step({ t, steps, centre, gamma, groups, shapes, place }) {
  const [part] = Object.entries(groups).find(([, landmarks]) => landmarks.includes(centre));
  const total = sum(gamma);
  return {
    title: t === 0 ? "robust start" : `after ${t} of ${steps} steps`,
    words:
      `The next step, to Ŝ${below(t + 1)}, attends to landmark ${centre + 1} (${part}), whose weight is ` +
      `${gamma[centre].toFixed(3)}, and moves the landmarks by ${px(mean(moves(shapes[place], shapes[place + 1])))} ` +
      "on average.",
    key: "Dots: landmarks by weight Γ. Ring: attention centre. White: the step to come, twenty times as long.",
    caption: "Weights Γ, summed",
    bars: byPart(groups, gamma, sum).map(([part, weight]) => ({ part, share: weight / total, label: percent(weight / total) })),
  };
}

function result({ steps, groups, shapes, place }) {
  const bars = byPart(groups, moves(shapes[1], shapes[place]), mean);
  const largest = Math.max(...bars.map(([, length]) => length), Number.MIN_VALUE);
  return {
    title: "the result",
    words: `The landmarks after all ${steps} steps.`,
    key: "Dots: landmarks.",
    caption: "Way from Ŝ₀ to here, on average",
    bars: bars.map(([part, length]) => ({ part, share: length / largest, label: px(length) })),
  };
}

const byPart = (groups, numbers, how) =>
  Object.entries(groups).map(([part, landmarks]) => [part, how(landmarks.map((landmark) => numbers[landmark]))]);
