// The camera: a dialog with what it sees; a picture of it as a JPEG file.
const INSECURE = "Browsers lend the camera only to pages of this machine itself or over https: choose a picture.";
const REFUSED = "The camera cannot be used: allow it in the browser and see that it is plugged in and free.";

export async function openBooth(booth, look, complain) {
  if (!navigator.mediaDevices) return complain(INSECURE);
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
  } catch {
    return complain(REFUSED);
  }
  const video = booth.querySelector("video");
  video.srcObject = stream;
  booth.onclose = () => stream.getTracks().forEach((track) => track.stop());
  booth.querySelector(".close").onclick = () => booth.close();
  booth.querySelector(".shoot").onclick = async () => {
    if (!video.videoWidth) return;
    const file = await frame(video);
    booth.close();
    look(file);
  };
  booth.showModal();
}

function frame(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 })
    .then((blob) => new File([blob], "camera.jpg", { type: "image/jpeg" }));
}
