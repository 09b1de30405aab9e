/**
 * The state machine of the engine tests: a running total that proves how it was called. An entry
 * out of order or applied twice makes it throw, which stops the group and fails the test.
 *
 * JavaScript, because worker threads of the compiled build load it. Commands are text: `add N`,
 * `reject TEXT`, `throw`, `throw on NODE`, `large BYTES`, `spin MS` (counts, slowly), `context`.
 * Queries: `spin MS`, `large BYTES`, `count`, `throw`; any other is answered by the total.
 */

function spin(ms) {
  const end = Date.now() + ms;
  while (Date.now() < end);
}

class Ledger {
  #context;
  #total = 0;
  #count = 0;
  #index = 0;
  #term = 0;
  #timeMs = 0;

  constructor(context) {
    if (context.options?.refuse) throw new Error('this machine was told to refuse its options');
    this.#context = context;
  }

  apply(batch) {
    while (batch.next()) {
      const { index, term, timeMs } = batch;
      if (index <= this.#index) throw new Error(`entry ${index} came after ${this.#index}`);
      if (term < this.#term) throw new Error(`term ${term} came after ${this.#term}`);
      if (timeMs < this.#timeMs) throw new Error(`time ${timeMs} came after ${this.#timeMs}`);
      [this.#index, this.#term, this.#timeMs] = [index, term, timeMs];
      this.#command(batch, Buffer.from(batch.data).toString().split(' '));
    }
  }

  #command(batch, [verb, operand, node]) {
    this.#count += 1;
    if (verb === 'add') {
      this.#total += Number(operand);
      batch.reply(Buffer.from(String(this.#total)));
    } else if (verb === 'reject') batch.reject(operand);
    else if (verb === 'large') batch.reply(Buffer.alloc(Number(operand), 'x'));
    else if (verb === 'spin') {
      spin(Number(operand));
      this.#total += 1;
      batch.reply(Buffer.from(String(this.#total)));
    } else if (verb === 'throw') {
      if (operand !== 'on' || Number(node) === this.#context.nodeId)
        throw new Error('told to throw');
    } else if (verb === 'context') {
      if (batch.context.nodeId !== this.#context.nodeId) throw new Error('another context');
      batch.reply(Buffer.from(JSON.stringify(batch.context)));
    }
  }

  query(query) {
    const [verb, operand] = Buffer.from(query).toString().split(' ');
    if (verb === 'throw') throw new Error('told to throw in a query');
    if (verb === 'large') return Buffer.alloc(Number(operand), 'y');
    if (verb === 'spin') spin(Number(operand));
    if (verb === 'count') return Buffer.from(String(this.#count));
    return Buffer.from(String(this.#total));
  }

  *snapshot() {
    const last = [this.#index, this.#term, this.#timeMs];
    yield Buffer.from(JSON.stringify([this.#total, this.#count, ...last]));
  }

  restore() {
    let text = '';
    return {
      chunk: (bytes) => {
        text += Buffer.from(bytes).toString();
      },
      finish: () => {
        [this.#total, this.#count, this.#index, this.#term, this.#timeMs] = JSON.parse(text);
      },
    };
  }
}

export default (context) => new Ledger(context);
