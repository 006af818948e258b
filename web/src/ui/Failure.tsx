/** Catches unexpected errors, so that the page shows a message instead of going blank. */
import { Component, type ReactNode } from "react";
import { Say } from "./Say";
import { useSettings } from "./settings";

interface Props {
  children: ReactNode;
}

export class Failure extends Component<Props, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    return this.state.error === null ? this.props.children : <Sorry error={this.state.error} />;
  }
}

function Sorry({ error }: { error: Error }) {
  const { t } = useSettings();
  return (
    <Say what={t("frame.failure.what")} next={t("frame.failure.next")} code={error.message}>
      <button type="button" onClick={() => location.reload()}>
        {t("frame.failure.reload")}
      </button>
    </Say>
  );
}
