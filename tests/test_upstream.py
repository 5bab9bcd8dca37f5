"""Faults of other packages that this project works around. Where one of these fails, a way around it can go."""

import importlib.metadata

import keras
import numpy as np


def test_fit_shuffles_arrays_into_one_order_for_all_epochs(tmp_path):
    """After set_random_seed; so training.shuffled_batches makes each epoch's order itself."""
    keras.utils.set_random_seed(0)
    seen = []
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=lambda y, p: keras.ops.mean(p) * 0, run_eagerly=True)
    step = model.train_step
    model.train_step = lambda data: (seen.append(keras.ops.convert_to_numpy(data[0]).ravel().tolist()), step(data))[1]
    model.fit(np.arange(12.0)[:, None], np.zeros(12), batch_size=12, epochs=3, shuffle=True, verbose=0)
    assert seen[0] == seen[1] == seen[2] != sorted(seen[0])


def test_backup_and_restore_forgets_dropout_seeds(tmp_path):
    """So training.Checkpoint saves every variable."""

    def train(epochs):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        model.fit(np.ones((8, 4)), np.ones((8, 1)), epochs=epochs, batch_size=4, verbose=0, callbacks=[backup])
        return model.layers[0].seed_generator.state.numpy().tolist()

    assert train(1)[1] == 2  # one epoch, two masks
    assert train(2)[1] == 2  # the second epoch begins with the first one's masks; uninterrupted it would be 4


def test_tensorflow_datasets_does_not_declare_importlib_resources():
    """So setup.cfg names it."""
    needs = [need.replace("-", "_") for need in importlib.metadata.requires("tensorflow-datasets")]
    assert [need for need in needs if "importlib" in need] == ['importlib_resources; python_version < "3.9"']
