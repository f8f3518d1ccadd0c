// SPDX-License-Identifier: Apache-2.0
/** A picture from the camera, whenever a person presses the button: it is added like any other. */
import { button, h } from "./dom";
import { frameOf } from "./frames";
import type { Studio } from "./studio";

export async function camera(studio: Studio): Promise<void> {
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    return studio.fail(new Error(`the camera can't be used (${String(error)}): allow it for this page, or add pictures`));
  }
  const video = h("video", { muted: true, playsInline: true, srcObject: stream });
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    dialog.remove();
  };
  const add = async () => {
    const name = `camera-${new Date().toISOString().replace(/[:.]/g, "-")}.png`;
    await studio.addFiles([await frameOf(video, name)]);
    const added = studio.project.pictures.find((picture) => picture.name === name);
    if (added && studio.shown.example !== added.key) studio.show("answer", added.key);
  };
  const take = button("Take picture", () => void add().catch((error: unknown) => studio.fail(error)), { class: "primary" });
  const dialog = h("dialog", { className: "camera", attrs: { "aria-label": "Camera" }, onclose: close }, video, h("div", { className: "row" }, take, button("Close", () => dialog.close())));
  document.body.append(dialog);
  dialog.showModal();
  await video.play();
}
