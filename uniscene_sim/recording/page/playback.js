/** A time in ms, from 0 to `end`, that is set or runs. */
class Playback {
  /**
   * @param changed called when there is another time
   * @param settled called when the time is set while nothing runs
   */
  constructor(end, changed, settled = () => {}) {
    Object.assign(this, { end, changed, settled, t: 0, playing: false, rate: 1, before: 0 });
  }

  /** The elements that show and set it: a button, a slider, its text and a choice of rates. */
  attach(button, slider, clock, rate) {
    this.parts = { button, slider, clock };
    slider.max = this.end;
    button.addEventListener("click", () => this.play(!this.playing));
    slider.addEventListener("input", () => { this.play(false); this.seek(Number(slider.value)); });
    rate.addEventListener("change", () => (this.rate = Number(rate.value)));
  }

  seek(t) {
    this.t = Math.min(Math.max(t, 0), this.end);
    this.show();
    if (!this.playing) this.settled();
  }

  show() {
    const { slider, clock } = this.parts, now = (this.t / 1000).toFixed(2);
    this.changed();
    slider.value = this.t;
    slider.setAttribute("aria-valuetext", `${now} seconds`);
    clock.textContent = `${now} / ${(this.end / 1000).toFixed(2)} s`;
  }

  play(playing) {
    if (playing && this.t >= this.end) this.t = 0;
    Object.assign(this, { playing, before: performance.now() });
    this.parts.button.classList.toggle("playing", playing);
    this.parts.button.setAttribute("aria-label", playing ? "Pause" : "Play");
    if (playing) requestAnimationFrame((now) => this.advance(now));
    else this.settled();
  }

  advance(now) {
    if (!this.playing) return;
    this.t = Math.min(this.t + Math.max(now - this.before, 0) * this.rate, this.end);
    this.before = now;
    this.show();
    if (this.t >= this.end) this.play(false);
    else requestAnimationFrame((later) => this.advance(later));
  }
}
