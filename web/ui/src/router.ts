/** Which page the address names. The part after # routes, so that the server needs no rules for it. */
import { useEffect, useState } from "preact/hooks";

export type Route =
  | { page: "machines" }
  | { page: "machine"; assetId: string }
  | { page: "alarms" }
  | { page: "appliance" }
  | { page: "account" };

export function routeOf(hash: string): Route {
  const [page = "", id = ""] = hash.replace(/^#\/?/, "").split("/");
  switch (page) {
    case "machines":
      return id === "" ? { page: "machines" } : { page: "machine", assetId: decoded(id) };
    case "alarms":
    case "appliance":
    case "account":
      return { page };
    default:
      return { page: "machines" };
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const machineHref = (assetId: string): string => `#/machines/${encodeURIComponent(assetId)}`;

/** The identity of a page: what focus and scroll position belong to. */
export const routeKey = (route: Route): string =>
  route.page === "machine" ? `machine/${route.assetId}` : route.page;

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const update = () => setHash(location.hash);
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return routeOf(hash);
}
