/** The room for supply against demand: it says why it is empty instead of showing a line at zero. */
export function SupplyPanel() {
  return (
    <section class="panel chart empty" data-testid="chart-supply" aria-label="Supply and demand">
      <h2>Supply and demand</h2>
      <p class="nothing">
        Autoscaler: not observed.
        <br />
        The environment names no observer, so nothing is said about how it followed the load.
      </p>
    </section>
  );
}
