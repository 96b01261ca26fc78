/** The course of a forecast: who has arrived and who is live. It never moves, so it is a drawing and not a chart. */
import type { Forecast } from "../api/types";
import { clock, short } from "../model/format";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [600, 150, 40, 18, 8];

export function CurveChart({ curve }: { curve: Forecast["curve"] }) {
  const end = Math.max(1, ...curve.map(([second]) => second));
  const most = Math.max(1, ...curve.map(([, arrived, live]) => Math.max(arrived, live ?? 0)));
  const x = (second: number) => LEFT + (second / end) * (WIDTH - LEFT - 4);
  const y = (users: number) => HEIGHT - BOTTOM - (users / most) * (HEIGHT - BOTTOM - TOP);
  const path = (points: [number, number][]) =>
    points.map(([second, users]) => `${x(second).toFixed(1)},${y(users).toFixed(1)}`).join(" ");
  const live = curve.flatMap(([second, , users]): [number, number][] => (users === null ? [] : [[second, users]]));
  const marks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <figure class="curve">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Up to ${short(most)} users within ${clock(end)}`}>
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line class="grid" x1={LEFT} x2={WIDTH - 4} y1={y(part * most)} y2={y(part * most)} />
            <text x={LEFT - 5} y={y(part * most) + 3} text-anchor="end">
              {short(Math.round(part * most))}
            </text>
          </g>
        ))}
        {marks.map((part) => (
          <text
            key={part}
            x={x(part * end)}
            y={HEIGHT - 4}
            text-anchor={part === 0 ? "start" : part === 1 ? "end" : "middle"}
          >
            {clock(part * end)}
          </text>
        ))}
        <polyline class="arrived" points={path(curve.map(([second, arrived]) => [second, arrived]))} />
        {live.length > 0 && <polyline class="live" points={path(live)} />}
      </svg>
      <figcaption>
        <i class="key live" /> live {live.length === 0 && "(users decide themselves when they leave)"}{" "}
        <i class="key arrived" /> arrived in all
      </figcaption>
    </figure>
  );
}
