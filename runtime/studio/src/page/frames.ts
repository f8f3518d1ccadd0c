// SPDX-License-Identifier: Apache-2.0
/** Pictures out of a video: a timeline to choose from, one frame or one every so often. */
import { button, h } from "./dom";
import type { Studio } from "./studio";

const MOST_FRAMES = 300;

/** Ask which frames of a video become pictures; resolves when the dialog is closed. */
export function takeFrames(studio: Studio, file: File): Promise<void> {
  return new Promise((resolve) => {
    const video = h("video", { muted: true, playsInline: true, preload: "auto", src: URL.createObjectURL(file) });
    const slider = h("input", { type: "range", min: "0", step: "any", value: "0", attrs: { "aria-label": "Time in the video" } });
    const time = h("output", {}, "");
    const every = h("input", { type: "number", min: "0.1", step: "0.1", value: "1", attrs: { "aria-label": "Seconds between frames" } });
    const progress = h("p", { className: "quiet", attrs: { role: "status" } });
    let running = false;

    const seek = (seconds: number) =>
      new Promise<void>((done) => {
        if (Math.abs(video.currentTime - seconds) < 1e-3 && video.readyState >= 2) return done();
        video.addEventListener("seeked", () => done(), { once: true });
        video.currentTime = seconds;
      });
    const take = async (seconds: number) => {
      await seek(seconds);
      await studio.addFiles([await frameOf(video, `${file.name.replace(/\.[^.]*$/, "")}-${seconds.toFixed(2)}s.png`)]);
    };
    const takeAll = async () => {
      if (running) return void (running = false);
      running = true;
      all.textContent = "Stop";
      const step = Math.max(Number(every.value) || 1, 0.1);
      const count = Math.min(Math.floor(video.duration / step) + 1, MOST_FRAMES);
      let taken = 0;
      for (; running && taken < count; taken++) {
        await take(taken * step);
        progress.textContent = `${taken + 1} of ${count} frames`;
      }
      all.textContent = "Take all";
      running = false;
    };
    const guarded = (job: () => Promise<void>) => () => void job().catch((error: unknown) => studio.fail(error));
    const one = button("Take this frame", guarded(() => take(Number(slider.value))), { class: "primary" });
    const all = button("Take all", guarded(takeAll));
    for (const control of [slider, one, all]) control.disabled = true;
    video.onloadedmetadata = async () => {
      if (!Number.isFinite(video.duration)) await measure(video);
      slider.max = String(video.duration);
      for (const control of [slider, one, all]) control.disabled = false;
      show();
    };
    video.onerror = () => {
      studio.fail(new Error(`this browser can't read ${file.name} as a video: use MP4 (H.264) or WebM`));
      dialog.close();
    };
    const show = () => (time.textContent = `${Number(slider.value).toFixed(2)} of ${video.duration.toFixed(2)} s`);
    slider.oninput = () => {
      show();
      video.currentTime = Number(slider.value);
    };
    const close = () => {
      running = false;
      URL.revokeObjectURL(video.src);
      dialog.remove();
      resolve();
    };
    const dialog = h(
      "dialog",
      { className: "camera", attrs: { "aria-label": `Frames of ${file.name}` }, onclose: close },
      h("h2", {}, file.name),
      video,
      h("div", { className: "row timeline" }, slider, time),
      h("div", { className: "row" }, one, h("label", { className: "row" }, "or one every", every, "s"), all, button("Close", () => dialog.close())),
      progress,
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A recording that was streamed doesn't say how long it is: its end does. */
async function measure(video: HTMLVideoElement): Promise<void> {
  const known = new Promise((resolve) => video.addEventListener("durationchange", resolve, { once: true }));
  video.currentTime = Number.MAX_SAFE_INTEGER;
  await known;
  video.currentTime = 0;
}

/** What a video shows now, as a picture file. */
export function frameOf(video: HTMLVideoElement, name: string): Promise<File> {
  const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(new File([blob], name, { type: "image/png" })) : reject(new Error("the video gave no picture"))), "image/png");
  });
}
