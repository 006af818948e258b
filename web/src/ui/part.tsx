/** Components in separate scripts, so that the first rendering does not wait for them. */
import { lazy, Suspense, useState, type ComponentType, type ReactNode } from "react";

export interface Part<Props> {
  (props: Props): ReactNode;
  /** Loads the script, unless it is loaded or loading. */
  fetch: () => Promise<unknown>;
}

/** Creates a component whose script `load` imports. `waiting` is a placeholder of the same size. */
export function part<Props extends object>(load: () => Promise<ComponentType<Props>>, waiting: ReactNode): Part<Props> {
  let loaded: ComponentType<Props> | null = null;
  let loading: Promise<ComponentType<Props>> | null = null;
  const ask = async () => {
    try {
      loaded = await load();
      return loaded;
    } catch (error) {
      // The next user of the component tries again.
      loading = null;
      throw error;
    }
  };
  const fetch = () => (loading ??= ask());
  const Lazy = lazy(async () => ({ default: await fetch() }));

  function Whole(props: Props) {
    // A loaded component is rendered at once. One that began as lazy remains lazy, so that it keeps
    // its state.
    const [Shown] = useState<ComponentType<Props>>(() => loaded ?? Lazy);
    return (
      <Suspense fallback={waiting}>
        <Shown {...props} />
      </Suspense>
    );
  }
  return Object.assign(Whole, { fetch });
}
