// SPDX-License-Identifier: Apache-2.0
/** A picture on a canvas that can be zoomed and panned: by wheel, by two fingers, by the middle button, by keys. */
import type { Point, Size } from "../pose/crop";

const MOST_ZOOM = 40; // screen pixels a picture pixel

export interface Pointer {
  /** In picture pixels. */
  readonly at: Point;
  readonly shift: boolean;
  readonly secondary: boolean;
  readonly kind: string;
}

export interface ViewListener {
  /** Returns whether it takes the pointer until it is lifted; else the picture is panned. */
  down(pointer: Pointer): boolean;
  move(pointer: Pointer): void;
  up(pointer: Pointer): void;
  hover(pointer: Pointer | null): void;
}

export class View {
  readonly canvas: HTMLCanvasElement;
  private image: ImageBitmap | null = null;
  private size: Size = { width: 1, height: 1 };
  private zoom = 1;
  private origin: Point = [0, 0]; // of the picture, CSS pixels
  private fitted = true;
  private fingers = new Map<number, Point>();
  private taken: number | null = null;
  private scheduled = false;

  constructor(
    label: string,
    private readonly paint: (context: CanvasRenderingContext2D, view: View) => void,
    private readonly listener: ViewListener,
  ) {
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.listen();
    new ResizeObserver(() => {
      if (this.fitted) this.fit();
      this.draw();
    }).observe(this.canvas);
  }

  /** Show a picture, or none; the view is fitted to it unless it is the same. */
  show(image: ImageBitmap | null): void {
    if (image === this.image) return;
    this.image = image;
    this.size = image ?? { width: 1, height: 1 };
    this.fit();
  }

  /** Screen pixels a picture pixel. */
  get scale(): number {
    return this.zoom;
  }

  toScreen([x, y]: Point): Point {
    return [this.origin[0] + x * this.zoom, this.origin[1] + y * this.zoom];
  }

  toPicture([x, y]: Point): Point {
    return [(x - this.origin[0]) / this.zoom, (y - this.origin[1]) / this.zoom];
  }

  /** For a place beyond the view: the nearest one on its border; else null. */
  edge([x, y]: Point): Point | null {
    const { clientWidth, clientHeight } = this.canvas;
    const near: Point = [Math.min(Math.max(x, 2), clientWidth - 2), Math.min(Math.max(y, 2), clientHeight - 2)];
    return Math.hypot(near[0] - x, near[1] - y) > 4 ? near : null;
  }

  fit(): void {
    const { clientWidth, clientHeight } = this.canvas;
    this.zoom = Math.min(clientWidth / this.size.width, clientHeight / this.size.height) || 1;
    this.origin = [(clientWidth - this.size.width * this.zoom) / 2, (clientHeight - this.size.height * this.zoom) / 2];
    this.fitted = true;
    this.draw();
  }

  zoomBy(factor: number, around: Point = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]): void {
    const [x, y] = this.toPicture(around);
    const least = 0.2 * Math.min(this.canvas.clientWidth / this.size.width, this.canvas.clientHeight / this.size.height);
    this.zoom = Math.min(Math.max(this.zoom * factor, least), MOST_ZOOM);
    this.origin = [around[0] - x * this.zoom, around[1] - y * this.zoom];
    this.fitted = false;
    this.draw();
  }

  /** Draw with the next frame of the screen, once however often it is asked. */
  draw(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.drawNow();
    });
  }

  private drawNow(): void {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    if (!this.image) return;
    context.imageSmoothingEnabled = this.zoom < 4;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.image, ...this.origin, this.size.width * this.zoom, this.size.height * this.zoom);
    this.paint(context, this);
  }

  private pan(dx: number, dy: number): void {
    this.origin = [this.origin[0] + dx, this.origin[1] + dy];
    this.fitted = false;
    this.draw();
  }

  private pointer(event: PointerEvent): Pointer {
    return {
      at: this.toPicture(place(event)),
      shift: event.shiftKey,
      secondary: event.button === 2,
      kind: event.pointerType,
    };
  }

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
        this.zoomBy(Math.exp((-event.deltaY * lines) / 400), place(event));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.image) return;
      canvas.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, place(event));
      if (this.fingers.size === 1 && event.button !== 1 && this.listener.down(this.pointer(event))) {
        this.taken = event.pointerId;
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = this.fingers.get(event.pointerId);
      if (!before) return this.listener.hover(this.pointer(event));
      const now = place(event);
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) this.pinch(before, now, other);
      else if (this.taken === event.pointerId) this.listener.move(this.pointer(event));
      else this.pan(now[0] - before[0], now[1] - before[1]);
      this.fingers.set(event.pointerId, now);
    });
    const lift = (event: PointerEvent) => {
      if (!this.fingers.delete(event.pointerId)) return;
      if (this.taken === event.pointerId) {
        this.taken = null;
        this.listener.up(this.pointer(event));
      }
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => this.listener.hover(null));
  }

  private pinch(before: Point, now: Point, other: Point): void {
    const spread = (finger: Point) => Math.hypot(finger[0] - other[0], finger[1] - other[1]) || 1;
    this.zoomBy(spread(now) / spread(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }
}

function place(event: MouseEvent): Point {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
