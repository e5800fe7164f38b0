/** The frame around every page: who is logged in, navigation, state of the connection, announcements. */
import { useEffect, useRef } from "preact/hooks";
import { isUnacknowledged } from "./alarm_book";
import { StatusStrip } from "./components/status_strip";
import { AccountPage } from "./pages/account";
import { AlarmsPage } from "./pages/alarms";
import { AppliancePage } from "./pages/appliance";
import { LoginPage } from "./pages/login";
import { MachinePage } from "./pages/machine";
import { MachinesPage } from "./pages/machines";
import { type Route, routeKey, useRoute } from "./router";
import { state } from "./session";
import { useStore } from "./store";
import { texts } from "./texts";

export function App() {
  const session = useStore(state, (s) => s.session);
  const connection = useStore(state, (s) => s.connection);
  if (session === undefined) {
    return (
      <main class="door">
        <p class="brand brand-large">{texts.product}</p>
        <p role="status">
          {connection === "lost" ? texts.connection.neverHad : texts.connection.connecting}{" "}
          {connection === "lost" && texts.connection.retrying}
        </p>
      </main>
    );
  }
  if (session === null) return <LoginPage />;
  if (session.must_change_password) {
    return (
      <main class="door">
        <p class="brand brand-large">{texts.product}</p>
        <AccountPage first />
      </main>
    );
  }
  return <House user={session.user} connection={connection} />;
}

function House({ user, connection }: { user: string; connection: string }) {
  const route = useRoute();
  const alarms = useStore(state, (s) => s.alarms);
  const announcement = useStore(state, (s) => s.announcement);
  const unacknowledged = [...alarms.values()].filter(isUnacknowledged).length;
  const main = useRef<HTMLElement>(null);
  const key = routeKey(route);
  const shownKey = useRef(key);

  useEffect(() => {
    document.title = `${unacknowledged > 0 ? `(${unacknowledged}) ` : ""}${pageTitle(route)} – ${texts.product}`;
  }, [unacknowledged, key]);

  useEffect(() => {
    if (shownKey.current === key) return; // not at the first page: focus stays where the browser put it
    shownKey.current = key;
    scrollTo(0, 0);
    main.current?.querySelector("h1")?.focus();
  }, [key]);

  const entry = (page: Route["page"], text: string, badge = 0) => {
    const here = route.page === page || (page === "machines" && route.page === "machine");
    return (
      <a href={`#/${page}`} class="nav-entry" aria-current={here ? "page" : undefined} data-testid={`nav-${page}`}>
        <NavSign page={page} />
        <span>{text}</span>
        {badge > 0 && (
          <span class="nav-badge" data-testid="nav-alarm-count">
            {badge}
            <span class="visually-hidden"> {texts.nav.openAlarms(badge)}</span>
          </span>
        )}
      </a>
    );
  };
  return (
    <div class={connection === "lost" ? "house stale" : "house"}>
      <a class="skip" href="#content" onClick={(event) => {
        event.preventDefault();
        main.current?.querySelector("h1")?.focus();
      }}>
        {texts.nav.skip}
      </a>
      <header class="top">
        <a class="brand" href="#/machines">
          <BrandSign /> {texts.product}
        </a>
        <nav class="nav" aria-label={texts.nav.label}>
          {entry("machines", texts.nav.machines)}
          {entry("alarms", texts.nav.alarms, unacknowledged)}
          {entry("appliance", texts.nav.appliance)}
        </nav>
        <a class="account" href="#/account" aria-label={`${texts.nav.account}: ${user}`}>
          <AccountSign />
          <span>{user}</span>
        </a>
      </header>
      <StatusStrip />
      <main id="content" ref={main}>
        <Page route={route} />
      </main>
      <div class="visually-hidden" role="alert" aria-live="assertive" data-testid="announcement">
        {announcement}
      </div>
    </div>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "machines":
      return <MachinesPage />;
    case "machine":
      return <MachinePage key={route.assetId} assetId={route.assetId} />;
    case "alarms":
      return <AlarmsPage />;
    case "appliance":
      return <AppliancePage />;
    case "account":
      return <AccountPage />;
  }
}

function pageTitle(route: Route): string {
  if (route.page === "machine") {
    const machine = state.get().machines?.find((m) => m.asset_id === route.assetId);
    return machine?.name ?? route.assetId;
  }
  return texts.nav[route.page];
}

function BrandSign() {
  return (
    <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" class="brand-ground" />
      <path d="M4 17h5l2-6 4 13 4-18 3 11h6" class="brand-wave" />
    </svg>
  );
}

const SIGNS: Partial<Record<Route["page"], string>> = {
  machines: "M3 13h4l2-6 4 12 3-9 2 3h3",
  alarms: "M12 3a6 6 0 0 1 6 6v5l2 3H4l2-3V9a6 6 0 0 1 6-6zM10 20.5h4",
  appliance: "M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01M12 8h5M12 16h5",
};

function NavSign({ page }: { page: Route["page"] }) {
  return (
    <svg class="nav-sign" width="24" height="24" viewBox="0 0 24 24" aria-hidden="true">
      <path d={SIGNS[page] ?? ""} />
    </svg>
  );
}

function AccountSign() {
  return (
    <svg class="nav-sign" width="22" height="22" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20.5c1-4 4-6 8-6s7 2 8 6" />
    </svg>
  );
}
