// SPDX-License-Identifier: Apache-2.0
/** A picture file becomes pixels, turned as every viewer turns it. */
import type { Pixels } from "./inputs";

export const MOST_PIXELS = 100e6;

/** Decode a picture. Throws an Error that names what can't be read. */
export async function decode(file: Blob): Promise<Pixels> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Error(`this browser can't read ${describe(file)} as a picture: use JPEG, PNG or WebP`);
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      throw new Error(`the picture has ${width} x ${height} pixels, at most ${MOST_PIXELS / 1e6} million work: make it smaller`);
    }
    if (Math.max(width, height) < 2) throw new Error(`the picture is ${width} x ${height} pixels: there is nothing to locate`);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser gives no canvas of that size");
    context.fillStyle = "white"; // what is transparent shows paper, as in fmmp_runtime
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return { rgba: context.getImageData(0, 0, width, height).data, width, height };
  } finally {
    bitmap.close();
  }
}

function describe(file: Blob): string {
  const name = file instanceof File ? file.name : "this file";
  return /hei[cf]/i.test(file.type + name) ? `${name} (HEIC)` : name;
}
