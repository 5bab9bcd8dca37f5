"""A small training for test_training.py, which can kill itself: train_and_die.py RUN_DIR [MOMENT]"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from toolkit import batches, training
from toolkit.cells import recurrent
from toolkit.runs import open_run

import keras
import numpy as np
import tensorflow as tf

from layers import recurrent_tensorflow

EPOCHS, DEATH = 4, 2
recurrent_tensorflow.COMPILE_AFTER = 50  # timesteps: the third epoch begins with the loop as it is, and ends compiled


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class DieInTheMiddleOfAnEpoch(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (DEATH, 2):
            die()


def die_while_writing(savez):
    """np.savez that is killed half way through the checkpoint of one epoch."""
    calls = []

    def write(file, **arrays):
        calls.append(1)
        if len(calls) < DEATH:
            return savez(file, **arrays)
        file.write(b"half a checkpoint")
        file.flush()
        die()

    return write


def main(run_dir, moment=None):
    training.reproducible(seed=0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 6, 3)).astype("float32")
    y = x.cumsum(axis=1)[..., :1]
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            recurrent("lstm", 5, dropout=0.2, recurrent_dropout=0.2, return_sequences=True),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 40)), "mse")
    run = open_run("test", {"seed": 0}, "data", run_dir, resume=True)
    callbacks = [DieInTheMiddleOfAnEpoch()] if moment == "epoch" else []
    if moment == "checkpoint":
        np.savez = die_while_writing(np.savez)
    if moment == "history":
        training.pd.DataFrame.to_csv = lambda *arguments, **options: die()
    shuffled = batches.shuffled((x, y), batch_size=16, seed=0)
    validation = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    training.fit(model, run, shuffled, EPOCHS, validation, callbacks=callbacks)
    np.savez(run / "final.npz", *[v.numpy() for v in [*model.variables, *model.optimizer.variables]])


if __name__ == "__main__":
    main(*sys.argv[1:])
