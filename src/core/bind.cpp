// The only file of the core that knows Python: it turns arrays into pointers, releases the
// interpreter's lock while the core works, and asks it now and then whether Ctrl-C was pressed.
//
// Everything is checked before it comes here (chainrule/batches.py, the indices of a sparse matrix
// too); what is checked again is what every caller could get wrong: types, lengths, shapes.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <thread>

#include "columns.hpp"
#include "gauss_newton.hpp"
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
    // With `try_only`, what is no array counts as None.
    explicit View(nb::handle array, bool writable = false, bool try_only = false) {
        if (array.is_none()) return;
        const int flags = PyBUF_FORMAT | PyBUF_STRIDES | (writable ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(array.ptr(), &buffer_, flags)) {
            if (!try_only) throw nb::python_error();
            PyErr_Clear();
            return;
        }
        const char* format = buffer_.format;
        if (std::strchr("=@^", *format)) format++;  // rows that are not aligned, say
        if (std::strchr("efdbhilq?BHILQ", *format) && !format[1]) format_ = *format;
    }
    View(View&& other) noexcept
        : buffer_(std::exchange(other.buffer_, {})), format_(other.format_) {}
    ~View() {
        if (buffer_.obj) PyBuffer_Release(&buffer_);
    }

    // Whether it has rows and columns of a type that is read as it is.
    bool is_plain() const { return buffer_.ndim == 2 && format_; }

    // As samples: rows, or one column if there is one dimension.
    Source source() const {
        Source s;
        if (!buffer_.obj) return s;
        require(buffer_.ndim == 1 || buffer_.ndim == 2, "the core takes one or two dimensions");
        require(format_, "the core does not read arrays of this dtype");
        s.data = static_cast<const char*>(buffer_.buf);
        s.format = format_;
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
        const char* formats =
            std::is_same_v<T, float> ? "f" : std::is_same_v<T, double> ? "d" : "lq";
        require(format_ && std::strchr(formats, format_) &&
                    buffer_.len == n * long(sizeof(T)) && PyBuffer_IsContiguous(&buffer_, 'C'),
                "the core takes contiguous arrays in order, of the parameters' dtype and this "
                "length");
        return static_cast<T*>(buffer_.buf);
    }

    // Calls work(T{}) for the type of its numbers.
    template <class Work>
    auto by_dtype(const Work& work) const {
        return format_ == 'f' ? work(float{}) : work(double{});
    }

  private:
    Py_buffer buffer_{};
    char format_ = 0;  // of its numbers; 0 if the core does not read them
};

// X, Y and weights. X may be (entries, indices, starts, columns) of a CSR matrix.
class SampleViews {
  public:
    SampleViews(const NetworkSpec& spec, nb::handle X, nb::handle Y, nb::handle weight) {
        if (nb::isinstance<nb::tuple>(X)) {
            const nb::tuple parts = nb::borrow<nb::tuple>(X);
            require(parts.size() == 4, "a sparse matrix has four parts");
            const Source entries = add(parts[0]), indices = add(parts[1]), starts = add(parts[2]);
            const auto contiguous = [](const Source& s, long size) {
                return s.columns == 1 && (s.row_stride == size || s.rows < 2);
            };
            const bool wide = starts.format != 'i';
            require(std::strchr("ilq", starts.format) && indices.format == starts.format &&
                        starts.rows > 0 && contiguous(starts, wide ? 8 : 4) &&
                        contiguous(indices, wide ? 8 : 4) &&
                        contiguous(entries, entries.column_stride),
                    "the arrays of a sparse matrix must be contiguous, its indices of one dtype");
            samples.X = entries;
            samples.X.rows = starts.rows - 1;
            samples.X.columns = nb::cast<long>(parts[3]);
            samples.X.indices = indices.data;
            samples.X.starts = starts.data;
            samples.X.wide_indices = wide;
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

double* require_data(const View& view, long n) {
    double* data = view.data<double>(n);
    require(data, "an array is missing");
    return data;
}
void require_curvature(const NetworkSpec& spec, const SampleViews& samples) {
    require(samples.samples.Y.data && spec.loss.has_curvature(),
            "it takes targets and a loss with a curvature");
}

// Whether Ctrl-C was pressed: asked of Python in the thread that called, but not more often
// than the asking costs, and told to its helpers.
class Signals {
  public:
    bool operator()() {
        if (std::this_thread::get_id() != caller_ || raised_) return raised_;
        const auto now = Clock::now();
        if (now < next_) return false;
        next_ = now + interval;
        const DenormalsFlushed as_python_expects(false);
        nb::gil_scoped_acquire lock;
        if (PyErr_CheckSignals()) raised_ = true;
        return raised_;
    }
    void raise_if_pressed() const {
        if (raised_) throw nb::python_error();
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds interval{50};

    const std::thread::id caller_ = std::this_thread::get_id();
    Clock::time_point next_ = Clock::now() + interval;
    std::atomic<bool> raised_{false};
};

// numpy.empty, and the names of its types: looked up when the module is loaded.
nb::handle numpy_empty, float32, float64;

// The outputs for up to four rows of a plain array, sooner than Python can look at it: None where
// it is anything else, or has something not finite, so that the caller must look.
nb::object predict_few_rows(const NetworkSpec& spec, nb::handle parameters, nb::handle X) {
    const View x(X, false, true), theta(parameters);
    if (!x.is_plain()) return nb::none();
    const Source rows = x.source();
    if (rows.rows > 4 || rows.columns != spec.inputs()) return nb::none();
    const nb::handle dtype = theta.by_dtype([](auto zero) { return sizeof zero == 4; })
                                 ? float32 : float64;
    nb::object outputs = numpy_empty(nb::make_tuple(rows.rows, spec.outputs()), dtype);
    const View result(outputs, true);
    const bool done = theta.by_dtype([&](auto zero) {
        using T = decltype(zero);
        const T* from = theta.data<T>(spec.parameters());
        T* to = result.data<T>(rows.rows * spec.outputs());
        // Giving the lock away costs as much as a small network.
        if (rows.rows * spec.parameters() < 100'000) return predict_few<T>(spec, from, rows, to);
        nb::gil_scoped_release unlocked;
        return predict_few<T>(spec, from, rows, to);
    });
    return done ? outputs : nb::none();
}

// A trainer of either type: its functions with the type left behind.
class PyTrainer {
  public:
    PyTrainer(const NetworkSpec& spec, nb::handle parameters, const std::string& optimizer,
              const nb::dict& numbers, const Regularization& regularization, nb::handle X,
              nb::handle Y, nb::handle weight)
        : parameters_(parameters, true), views_(spec, X, Y, weight) {
        require(views_.samples.Y.data, "training needs targets");
        const auto number = [&](const char* name) {
            return numbers.contains(name) ? nb::cast<double>(numbers[name]) : 0.0;
        };
        parameters_.by_dtype([&](auto zero) {
            using T = decltype(zero);
            Update<T> rule{};
            rule.kind = find<Optimizer>(optimizer);
            rule.momentum = T(number("momentum")), rule.weight_decay = T(number("weight_decay"));
            rule.beta1 = T(number("beta1")), rule.rest1 = T(1 - number("beta1"));
            rule.beta2 = T(number("beta2")), rule.rest2 = T(1 - number("beta2"));
            // Never zero, so that a parameter without a gradient is left alone and not 0/0.
            rule.epsilon = std::max(T(number("epsilon")), std::numeric_limits<T>::min());
            rule.grow = T(number("grow")), rule.shrink = T(number("shrink"));
            rule.smallest = T(number("smallest")), rule.largest = T(number("largest"));
            const long n = spec.parameters();
            T* data = parameters_.data<T>(n);
            nb::gil_scoped_release unlocked;
            const auto trainer = std::make_shared<Trainer<T>>(spec, data, rule, regularization,
                                                              views_.samples);
            prepare = [=](const Epoch& epoch) { trainer->prepare(epoch); };
            run = [=](const Epoch& epoch, int threads, const Interrupted& interrupted) {
                return trainer->run(epoch, threads, interrupted);
            };
            read_parameters = [=] { trainer->read_parameters(); };
            write_state = [=](int slot, nb::handle to) {
                require(slot >= 0 && slot < state_slots(rule.kind), "no such array of the state");
                trainer->write_state(slot, View(to, true).data<T>(n));
            };
            read_state = [=](int slot, nb::handle from) {
                require(slot >= 0 && slot < state_slots(rule.kind), "no such array of the state");
                trainer->read_state(slot, View(from).data<T>(n));
            };
        });
    }

    std::function<void(const Epoch&)> prepare;
    std::function<EpochLoss(const Epoch&, int, const Interrupted&)> run;
    std::function<void()> read_parameters;
    std::function<void(int, nb::handle)> write_state, read_state;
    long samples() const { return views_.samples.X.rows; }

  private:
    const View parameters_;
    const SampleViews views_;
};

// Values, median, centers and scales of the number and of whether it is missing, knots and their
// weight, and the places of the three kinds of inputs in a row: see columns.hpp.
using ColumnParts = std::tuple<nb::object, double, double, double, double, double,
                               std::vector<double>, double, long, long, long>;

// Writes the inputs that are made of columns of numbers into rows of a table of float32.
void encode_columns(const std::vector<ColumnParts>& parts, nb::handle to, int threads) {
    const View inputs(to, true);
    const Source rows = inputs.source();
    float* first = inputs.data<float>(rows.rows * rows.columns);
    std::vector<View> views;
    std::vector<NumberColumn> columns;
    for (const auto& [values, median, center, scale, center_missing, scale_missing, knots, weight,
                      place, place_missing, place_bends] : parts) {
        views.emplace_back(values);
        columns.push_back({views.back().data<double>(rows.rows), median, center, scale,
                           center_missing, scale_missing, knots, float(weight), place,
                           place_missing, place_bends});
        const long n_bends = knots.size();
        require(n_bends == 0 || n_bends > 2, "bends have three knots or more");
        require(place >= 0 && place < rows.columns && place_missing >= -1 &&
                    place_missing < rows.columns && place_bends >= 0 &&
                    place_bends + n_bends <= rows.columns,
                "the inputs of a column must lie in the rows");
    }
    nb::gil_scoped_release unlocked;
    encode(columns, rows.rows, first, rows.columns, threads);
}

// One epoch of each trainer: of a single one on all threads, of several each on one.
using Job = std::tuple<PyTrainer*, long, long, long, bool, uint64_t, nb::object>;

// Returns the loss and the penalty of each.
std::vector<std::pair<double, double>> train(const std::vector<Job>& jobs, int threads) {
    std::vector<View> views;
    std::vector<Epoch> epochs;
    for (const auto& [trainer, number, steps_before, batch_size, shuffle, seed, steps] : jobs) {
        require(trainer && !steps.is_none() && batch_size > 0 && number >= 0 && steps_before >= 0,
                "training takes a trainer, counted epochs and batches, and numbers for each step");
        views.emplace_back(steps);
        const long n_steps = ceil_div(trainer->samples(), batch_size);
        const double* numbers = views.back().data<double>(4 * n_steps);
        epochs.push_back({number, steps_before, batch_size, shuffle, seed,
                          reinterpret_cast<const StepNumbers*>(numbers)});
    }
    std::vector<std::pair<double, double>> losses(jobs.size());
    Signals signals;
    {
        nb::gil_scoped_release unlocked;
        const Interrupted interrupted = [&] { return signals(); };
        for (std::size_t j = 0; j < jobs.size(); j++) std::get<0>(jobs[j])->prepare(epochs[j]);
        const auto run = [&](std::size_t j, int n) {
            const auto [loss, penalty] = std::get<0>(jobs[j])->run(epochs[j], n, interrupted);
            losses[j] = {loss, penalty};
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
    // What a user's program, or another library's cache, holds until the end is not our leak.
    nb::set_leak_warnings(false);
    const nb::module_ numpy = nb::module_::import_("numpy");
    numpy_empty = nb::object(numpy.attr("empty")).release();
    float32 = numpy.attr("dtype")("float32").release();
    float64 = numpy.attr("dtype")("float64").release();
    module.def("instruction_set", &instruction_set);

    nb::class_<NetworkSpec>(module, "Network")
        .def("__init__", [](NetworkSpec* self,
                            const std::vector<std::tuple<long, long, std::string, double>>& layers,
                            const std::string& loss, double parameter, bool bias) {
            new (self) NetworkSpec{{}, {find<Loss>(loss), parameter}, bias};
            for (const auto& [in, out, name, value] : layers)
                self->layers.push_back({in, out, {find<Activation>(name), value}});
            require(!layers.empty(), "a network has layers");
            for (std::size_t l = 0; l < layers.size(); l++)
                require(self->layers[l].in > 0 && self->layers[l].out > 0 &&
                            (l == 0 || self->layers[l].in == self->layers[l - 1].out),
                        "each layer takes what the one before it gives");
        })
        .def("predict_few", &predict_few_rows);

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
            Signals signals;
            double loss = 0;
            {
                nb::gil_scoped_release unlocked;
                loss = evaluate<T>(spec, from, samples.samples, threads, answers,
                                   [&] { return signals(); });
            }
            signals.raise_if_pressed();
            return loss;
        });
    }, nb::arg("network"), nb::arg("parameters"), nb::arg("X"), nb::arg("Y") = nb::none(),
       nb::arg("weight") = nb::none(), nb::arg("threads") = 1, nb::arg("outputs") = nb::none(),
       nb::arg("by_parameters") = nb::none(), nb::arg("by_inputs") = nb::none(),
       nb::arg("jacobian") = nb::none());

    module.def("normal_equations", [](const NetworkSpec& spec, nb::handle parameters,
                                      nb::handle X, nb::handle Y, nb::handle weight, int threads,
                                      nb::handle by_parameters, nb::handle matrix) {
        const View theta(parameters), gradient(by_parameters, true), G(matrix, true);
        const SampleViews samples(spec, X, Y, weight);
        const long P = spec.parameters();
        const double* from = require_data(theta, P);
        double *to_gradient = require_data(gradient, P), *to_G = require_data(G, P * P);
        require_curvature(spec, samples);
        Signals signals;
        double loss = 0;
        {
            nb::gil_scoped_release unlocked;
            loss = normal_equations(spec, from, samples.samples, threads, to_gradient, to_G,
                                    [&] { return signals(); });
        }
        signals.raise_if_pressed();
        return loss;
    }, nb::arg("network"), nb::arg("parameters"), nb::arg("X"), nb::arg("Y"),
       nb::arg("weight").none(), nb::arg("threads"), nb::arg("by_parameters"), nb::arg("matrix"));

    module.def("curvature_product", [](const NetworkSpec& spec, nb::handle parameters,
                                       nb::handle vector, nb::handle X, nb::handle Y,
                                       nb::handle weight, int threads, nb::handle product) {
        const View theta(parameters), v(vector), result(product, true);
        const SampleViews samples(spec, X, Y, weight);
        const long P = spec.parameters();
        const double *from = require_data(theta, P), *along = require_data(v, P);
        double* to = require_data(result, P);
        require_curvature(spec, samples);
        Signals signals;
        {
            nb::gil_scoped_release unlocked;
            curvature_product(spec, from, along, samples.samples, threads, to,
                              [&] { return signals(); });
        }
        signals.raise_if_pressed();
    }, nb::arg("network"), nb::arg("parameters"), nb::arg("vector"), nb::arg("X"), nb::arg("Y"),
       nb::arg("weight").none(), nb::arg("threads"), nb::arg("product"));

    nb::class_<PyTrainer>(module, "Trainer")
        .def("__init__", [](PyTrainer* self, const NetworkSpec& spec, nb::handle parameters,
                            const std::string& optimizer, const nb::dict& numbers, double l2,
                            double l1, double dropout, double gradient_clip, bool per_sample,
                            nb::handle X, nb::handle Y, nb::handle weight) {
            new (self) PyTrainer(spec, parameters, optimizer, numbers,
                                 {l2, l1, dropout, gradient_clip, per_sample}, X, Y, weight);
        }, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
           nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
        .def("read_parameters", [](PyTrainer& t) { t.read_parameters(); })
        .def("write_state", [](PyTrainer& t, int slot, nb::handle to) { t.write_state(slot, to); })
        .def("read_state", [](PyTrainer& t, int slot, nb::handle from) {
            t.read_state(slot, from);
        });
    module.def("train", &train);
    module.def("encode_columns", &encode_columns);

    module.def("shuffle", [](nb::handle order, uint64_t seed, uint64_t epoch) {
        const View view(order, true);
        const long n = view.source().rows;
        shuffle(view.data<int64_t>(n), n, seed, epoch);
    });
}
