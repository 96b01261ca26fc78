/** The head of a table. Numbers stand right, and so do their heads; `text` names the columns that do not hold numbers. */
export function Heads({ of, text = [] }: { of: string[]; text?: string[] }) {
  return (
    <thead>
      <tr>
        {of.map((name) => (
          <th scope="col" key={name} class={text.includes(name) ? "text" : ""}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}
