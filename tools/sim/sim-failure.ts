/**
 * What ends a run: something that must never happen did. The text is one sentence for people; where
 * and when is in the trace. Nothing may catch it but the run itself.
 */

export class SimFailure extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'SimFailure';
  }
}
