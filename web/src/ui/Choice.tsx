/** A few alternatives side by side, of which one is selected. */
interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  /** Value and label of each option. */
  options: readonly (readonly [T, string])[];
  onChoose: (value: T) => void;
}

export function Choice<T extends string>({ label, value, options, onChoose }: ChoiceProps<T>) {
  return (
    <div className="choice" role="group" aria-label={label}>
      {options.map(([one, word]) => (
        <button key={one} type="button" data-value={one} aria-pressed={one === value} onClick={() => onChoose(one)}>
          {word}
        </button>
      ))}
    </div>
  );
}
