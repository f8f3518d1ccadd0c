// SPDX-License-Identifier: Apache-2.0
/** Elements in one expression. */

type Child = Node | string | null | false;
type Listeners = { [E in keyof HTMLElementEventMap as `on${E}`]?: (event: HTMLElementEventMap[E]) => void };
type Properties<K extends keyof HTMLElementTagNameMap> = Partial<
  Omit<HTMLElementTagNameMap[K], "style" | "dataset" | keyof Listeners>
> &
  Listeners & { readonly attrs?: Readonly<Record<string, string>> };

/** Make an element: properties, `onclick` and the like, `attrs` for what has no property, then its children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { attrs = {}, ...properties }: Properties<K> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/** A button that says what it does and by which key. */
export function button(label: string, onclick: () => void, options: { key?: string; title?: string; class?: string; says?: string } = {}): HTMLButtonElement {
  const title = `${options.title ?? label}${options.key ? ` (${options.key})` : ""}`;
  const attrs = options.says ? { "aria-label": options.says } : {};
  return h("button", { type: "button", title, className: options.class ?? "", onclick, attrs }, label);
}

/** Put a file on the person's disk. */
export function download(name: string, content: Blob): void {
  const link = h("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
