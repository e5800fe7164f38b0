/** What a component shows, without a browser: its elements, and the words in them. */
import type { ComponentChildren, VNode } from "preact";

export interface Shown {
  tag: string;
  props: Record<string, unknown>;
  children: Shown[];
  text: string;
}

/** Call every component down to the elements. Components that use hooks need them mocked (`vi.mock`). */
export function shown(node: ComponentChildren): Shown {
  if (node === null || node === undefined || typeof node === "boolean") return leaf("");
  if (Array.isArray(node)) return element("", {}, node);
  if (typeof node !== "object") return leaf(String(node));
  const { type, props } = node as VNode<Record<string, unknown>>;
  if (typeof type === "function") {
    return shown((type as (props: unknown) => ComponentChildren)(props));
  }
  return element(type ?? "", props, props["children"] as ComponentChildren);
}

/** All elements, a parent before its children. */
export function all(one: Shown): Shown[] {
  return [one, ...one.children.flatMap(all)];
}

/** The element with a test id; null where there is none. */
export function byTestId(one: Shown, id: string): Shown | null {
  return all(one).find((part) => part.props["data-testid"] === id) ?? null;
}

/** Facts of lists of definitions: name -> value. */
export function facts(one: Shown): Record<string, string> {
  const found = all(one);
  const names = found.filter((part) => part.tag === "dt").map((part) => part.text);
  const values = found.filter((part) => part.tag === "dd").map((part) => part.text);
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
}

function element(tag: string, props: Record<string, unknown>, inside: ComponentChildren): Shown {
  const nodes: ComponentChildren[] = Array.isArray(inside) ? inside : [inside];
  const children = nodes.map((child) => shown(child));
  return { tag, props, children, text: children.map((child) => child.text).join("") };
}

const leaf = (text: string): Shown => ({ tag: "", props: {}, children: [], text });
