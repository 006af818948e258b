/** Parts of the page that are scripts of their own, so that its first drawing waits for nothing that it does not show. */
import { lazy, Suspense, useState, type ComponentType, type ReactNode } from "react";

export interface Part<Props> {
  (props: Props): ReactNode;
  /** Asks for its script, unless it has been asked for. */
  fetch: () => Promise<unknown>;
}

/** `load` imports its script; `waiting` stands in its place, as large as it, until that is there. */
export function part<Props extends object>(load: () => Promise<ComponentType<Props>>, waiting: ReactNode): Part<Props> {
  let there: ComponentType<Props> | null = null;
  let asked: Promise<ComponentType<Props>> | null = null;
  const ask = async () => {
    try {
      there = await load();
      return there;
    } catch (error) {
      // The next one who wants it asks again.
      asked = null;
      throw error;
    }
  };
  const fetch = () => (asked ??= ask());
  const Coming = lazy(async () => ({ default: await fetch() }));

  function Whole(props: Props) {
    // What is there is drawn at once; and what was begun as coming stays that, so that it keeps its state.
    const [Shown] = useState<ComponentType<Props>>(() => there ?? Coming);
    return (
      <Suspense fallback={waiting}>
        <Shown {...props} />
      </Suspense>
    );
  }
  return Object.assign(Whole, { fetch });
}
