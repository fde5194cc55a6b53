// A call as the platform sees it, next to the phone or sandbox: transcript, tools, answer times, cost.

const POLL_MS = 1000;
// Calls that the platform does not know (to another handset) are given up after this many requests.
const LOOKS_AFTER_THE_END = 10;

export class Conversation {
  /**
   * @param {HTMLElement} place  where it is shown
   * @param {{isBusy: () => boolean, onOver?: (callId: number) => void}} options  `isBusy`: whether this end is in the call
   */
  constructor(place, { isBusy, onOver = () => {} }) {
    Object.assign(this, { place, isBusy, onOver });
    this.looks = 0;
  }

  /** Shows the fragment at a URL (templates/calls/_live_summary.html), every second until the call is over at both ends. */
  follow(address) {
    Object.assign(this, { address, shown: "", left: LOOKS_AFTER_THE_END });
    this.look();
  }

  /** Refreshes immediately: something is known to have happened. */
  async look() {
    clearTimeout(this.timer);
    const look = ++this.looks;
    const html = await this.fetch();
    if (look !== this.looks) return; // a later request continues
    if (html && html !== this.shown) this.show(html);
    if (this.isBusy()) this.left = LOOKS_AFTER_THE_END;
    else if (this.isOver()) return this.onOver(Number(this.call().dataset.callId));
    else if (--this.left < 0) return;
    this.timer = setTimeout(() => this.look(), POLL_MS);
  }

  async fetch() {
    const response = await fetch(this.address).catch(() => null);
    return response?.status === 200 && !response.redirected ? response.text() : "";
  }

  show(html) {
    this.shown = html;
    this.place.innerHTML = html;
    const chat = this.place.querySelector(".chat");
    if (chat) chat.scrollTop = chat.scrollHeight;
  }

  call() {
    return this.place.querySelector("[data-call-id]");
  }

  isOver() {
    return this.shown !== "" && this.call()?.dataset.over === "1";
  }
}
