// The only file of the core that knows Python: it turns arrays into pointers, releases the
// interpreter's lock while the core works, and asks it now and then whether Ctrl-C was pressed.
//
// Everything is checked by chainrule/engines/native.py before it comes here; what is checked
// again is what could otherwise reach beyond the end of an array.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <thread>
#include <variant>

#include "evaluate.hpp"
#include "trainer.hpp"

namespace nb = nanobind;
using namespace chainrule;

namespace {

void require(bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(what);
}

// An array of the user's, held while this lives; None is an array without data.
class View {
  public:
    explicit View(nb::handle array, bool writable = false) {
        if (array.is_none()) return;
        const int flags = PyBUF_FORMAT | PyBUF_STRIDES | (writable ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(array.ptr(), &buffer_, flags)) throw nb::python_error();
    }
    View(View&& other) noexcept : buffer_(std::exchange(other.buffer_, {})) {}
    ~View() {
        if (buffer_.obj) PyBuffer_Release(&buffer_);
    }

    explicit operator bool() const { return buffer_.obj; }

    // As samples: rows, or one column if there is one dimension.
    Source source() const {
        Source s;
        if (!buffer_.obj) return s;
        require(buffer_.ndim == 1 || buffer_.ndim == 2, "the core takes one or two dimensions");
        require(std::strlen(buffer_.format) == 1 && std::strchr("efdbhilq?BHILQ", *buffer_.format),
                "the core does not read arrays of this dtype");
        s.data = static_cast<const char*>(buffer_.buf);
        s.format = *buffer_.format;
        s.rows = buffer_.shape[0];
        s.row_stride = buffer_.strides[0];
        s.columns = buffer_.ndim == 2 ? buffer_.shape[1] : 1;
        s.column_stride = buffer_.ndim == 2 ? buffer_.strides[1] : buffer_.itemsize;
        return s;
    }

    // As n contiguous numbers of this type; null for None.
    template <class T>
    T* data(long n) const {
        if (!buffer_.obj) return nullptr;
        require(buffer_.format[0] == (sizeof(T) == 4 ? 'f' : 'd') && !buffer_.format[1] &&
                    buffer_.len == n * long(sizeof(T)) && PyBuffer_IsContiguous(&buffer_, 'C'),
                "the core takes contiguous arrays of the parameters' dtype and of this length");
        return static_cast<T*>(buffer_.buf);
    }

    // Calls work(T{}) for the type of its numbers.
    template <class Work>
    auto by_dtype(const Work& work) const {
        return *buffer_.format == 'f' ? work(float{}) : work(double{});
    }

  private:
    Py_buffer buffer_{};
};

// X, Y and weights. X may be (entries, indices, starts, columns) of a CSR matrix.
class SampleViews {
  public:
    SampleViews(const NetworkSpec& spec, nb::handle X, nb::handle Y, nb::handle weight) {
        if (nb::isinstance<nb::tuple>(X)) {
            const nb::tuple parts = nb::borrow<nb::tuple>(X);
            samples.X = add(parts[0]);
            const Source indices = add(parts[1]), starts = add(parts[2]);
            samples.X.indices = indices.data;
            samples.X.starts = starts.data;
            samples.X.rows = starts.rows - 1;
            samples.X.columns = nb::cast<long>(parts[3]);
            samples.X.wide_indices = starts.row_stride == 8;
            require(starts.row_stride == indices.row_stride || !indices.rows,
                    "the index arrays of a sparse matrix must be contiguous, and of one dtype");
        } else {
            samples.X = add(X);
        }
        samples.Y = add(Y);
        samples.weight = add(weight);
        const long n = samples.X.rows, pairs = spec.loss.kind == Loss::gaussian_nll ? 2 : 1;
        require(samples.X.columns == spec.inputs() &&
                    (!samples.Y.data || (samples.Y.rows == n &&
                                         samples.Y.columns * pairs == spec.outputs())) &&
                    (!samples.weight.data || samples.weight.rows == n),
                "X, Y and the weights must have the shapes that the network takes");
        require(n <= long(std::numeric_limits<uint32_t>::max()), "too many samples");
    }
    Samples samples;

  private:
    Source add(nb::handle array) { return views_.emplace_back(array).source(); }

    std::vector<View> views_;
};

// Whether Ctrl-C was pressed: asked of Python in the thread that called, but not more often
// than the asking costs, and told to its helpers.
class Signals {
  public:
    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (std::this_thread::get_id() == caller_ && !raised_ && now > next_) {
            next_ = now + std::chrono::milliseconds(50);
            nb::gil_scoped_acquire lock;
            if (PyErr_CheckSignals()) raised_ = true;
        }
        return raised_;
    }
    void raise_if_pressed() const {
        if (raised_) throw nb::python_error();
    }

  private:
    const std::thread::id caller_ = std::this_thread::get_id();
    std::chrono::steady_clock::time_point next_{};
    std::atomic<bool> raised_{false};
};

class PyTrainer {
  public:
    PyTrainer(const NetworkSpec& spec, nb::handle parameters, const std::string& optimizer,
              const nb::dict& numbers, const Regularization& regularization, nb::handle X,
              nb::handle Y, nb::handle weight)
        : n_(spec.parameters()), parameters_(parameters, true), views_(spec, X, Y, weight) {
        require(views_.samples.Y.data, "training needs targets");
        const auto number = [&](const char* name) {
            return numbers.contains(name) ? nb::cast<double>(numbers[name]) : 0.0;
        };
        const OptimizerSpec rule{
            find<Optimizer>(optimizer), number("momentum"), number("beta1"), number("beta2"),
            number("epsilon"), number("momentum_decay"), number("weight_decay"), number("grow"),
            number("shrink"), number("smallest"), number("largest")};
        parameters_.by_dtype([&](auto zero) {
            using T = decltype(zero);
            T* array = parameters_.data<T>(n_);
            nb::gil_scoped_release unlocked;
            trainer_ = std::make_unique<Trainer<T>>(spec, array, rule, regularization,
                                                    views_.samples);
        });
    }

    template <class Use>
    decltype(auto) use(const Use& use) {
        return std::visit([&](auto& trainer) -> decltype(auto) { return use(*trainer); }, trainer_);
    }
    void write_state(int slot, nb::handle to) {
        const View view(to, true);
        use([&](auto& t) { t.write_state(slot, data(t, view)); });
    }
    void read_state(int slot, nb::handle from) {
        const View view(from);
        use([&](auto& t) { t.read_state(slot, data(t, view)); });
    }
    long samples() const { return views_.samples.X.rows; }

  private:
    template <class T>
    T* data(const Trainer<T>&, const View& view) const {
        return view.data<T>(n_);
    }

    const long n_;
    const View parameters_;
    const SampleViews views_;
    std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer_;
};

// One epoch of each trainer: of a single one on all threads, of several each on one.
using Job = std::tuple<PyTrainer*, long, long, bool, uint64_t, nb::object>;

std::vector<double> train(const std::vector<Job>& jobs, int threads) {
    std::vector<View> rates;
    std::vector<Epoch> epochs;
    for (const auto& [trainer, number, batch_size, shuffle, seed, learning_rates] : jobs) {
        require(batch_size > 0 && number >= 0, "batches and epochs are counted");
        rates.emplace_back(learning_rates);
        const long steps = ceil_div(trainer->samples(), batch_size);
        epochs.push_back({number, batch_size, shuffle, seed, rates.back().data<double>(steps)});
    }
    std::vector<double> losses(jobs.size());
    Signals signals;
    {
        nb::gil_scoped_release unlocked;
        const Interrupted interrupted = [&] { return signals(); };
        const auto run = [&](std::size_t j, int threads) {
            std::get<0>(jobs[j])->use([&](auto& trainer) {
                losses[j] = trainer.run(epochs[j], threads, interrupted);
            });
        };
        std::atomic<std::size_t> next{0};
        if (jobs.size() == 1)
            run(0, threads);
        else
            run_team(threads, [&](Member) {
                for (std::size_t j; (j = next++) < jobs.size() && !interrupted();) run(j, 1);
            });
    }
    signals.raise_if_pressed();
    return losses;
}

}  // namespace

NB_MODULE(_core, module) {
    module.doc() = "The compiled core of chainrule.";
    module.def("instruction_set", &instruction_set);

    nb::class_<NetworkSpec>(module, "Network")
        .def("__init__", [](NetworkSpec* self,
                            const std::vector<std::tuple<long, long, std::string, double>>& layers,
                            const std::string& loss, double parameter, bool bias) {
            new (self) NetworkSpec{{}, {find<Loss>(loss), parameter}, bias};
            for (const auto& [in, out, name, value] : layers)
                self->layers.push_back({in, out, {find<Activation>(name), value}});
        });

    module.def("evaluate", [](const NetworkSpec& spec, nb::handle parameters, nb::handle X,
                              nb::handle Y, nb::handle weight, int threads, nb::handle outputs,
                              nb::handle by_parameters, nb::handle by_inputs,
                              nb::handle jacobian) {
        const View theta(parameters), views[] = {View(outputs, true), View(by_parameters, true),
                                                 View(by_inputs, true), View(jacobian, true)};
        const SampleViews samples(spec, X, Y, weight);
        return theta.by_dtype([&](auto zero) {
            using T = decltype(zero);
            const long n = samples.samples.X.rows, in = spec.inputs(), out = spec.outputs();
            const T* from = theta.data<T>(spec.parameters());
            const Answers<T> answers{views[0].data<T>(n * out),
                                     views[1].data<T>(spec.parameters()),
                                     views[2].data<T>(n * in), views[3].data<T>(n * out * in)};
            nb::gil_scoped_release unlocked;
            return evaluate<T>(spec, from, samples.samples, threads, answers);
        });
    }, nb::arg("network"), nb::arg("parameters"), nb::arg("X"), nb::arg("Y") = nb::none(),
       nb::arg("weight") = nb::none(), nb::arg("threads") = 1, nb::arg("outputs") = nb::none(),
       nb::arg("by_parameters") = nb::none(), nb::arg("by_inputs") = nb::none(),
       nb::arg("jacobian") = nb::none());

    nb::class_<PyTrainer>(module, "Trainer")
        .def("__init__", [](PyTrainer* self, const NetworkSpec& spec, nb::handle parameters,
                            const std::string& optimizer, const nb::dict& numbers, double l2,
                            double l1, double dropout, double gradient_clip, nb::handle X,
                            nb::handle Y, nb::handle weight) {
            new (self) PyTrainer(spec, parameters, optimizer, numbers,
                                 {l2, l1, dropout, gradient_clip}, X, Y, weight);
        }, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
           nb::arg(), nb::arg(), nb::arg().none())
        .def("read_parameters", [](PyTrainer& t) { t.use([](auto& t) { t.read_parameters(); }); })
        .def("write_state", &PyTrainer::write_state)
        .def("read_state", &PyTrainer::read_state)
        .def_prop_rw("product",
                     [](PyTrainer& t) { return t.use([](auto& t) { return t.product(); }); },
                     [](PyTrainer& t, double value) {
                         t.use([&](auto& t) { t.product() = value; });
                     });
    module.def("train", &train);

    module.def("shuffle", [](nb::handle order, uint64_t seed, uint64_t epoch) {
        const View view(order, true);
        const Source s = view.source();
        require(s.format == 'l' || s.format == 'q', "the order is of int64");
        shuffle(reinterpret_cast<int64_t*>(const_cast<char*>(s.data)), s.rows, seed, epoch);
    });
}
