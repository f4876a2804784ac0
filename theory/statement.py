"""One imitation step pulls a student toward its teacher: the theorem, its proof, where it ends.

Symbols (the code uses the same)

    theta     all parameters, one long vector; the initialisation that teacher and student share
    f(theta)  the model: for every input x a vector of logits z = f(theta)(x)
    L_T       the trait loss, any differentiable function of the parameters
    D_T       the teacher's direction, -grad L_T(theta)
    eps       the teacher's step: theta_T = theta + eps D_T
    L_S       the imitation loss L_S(z, y) of student logits z against teacher logits y
    D_S(eps)  the student's direction, -grad of E_x L_S(f(theta)(x), f(theta_T)(x))
    alpha     the student's step: theta_S = theta + alpha D_S(eps), taken once
    J         derivative of f(theta)(x) along D_T, one number for each logit: how the teacher's
              first step moves its outputs
    M         -d2 L_S / dy dz at y = z, a matrix over logits: how a teacher's change of logit j
              pulls on the student's logit i
    A         E_x J.M J, the number that decides everything below

E_x is the mean over any inputs at all. They need not be inputs on which the trait shows.

Assumptions

    1. Same start: theta is the same for both.
    2. The student sees the teacher's full logits, or a fixed subset of them, and takes one plain
       gradient step on the exact expectation.
    3. L_S(z, y) is smallest at z = y, M is symmetric and has no negative eigenvalue, and the
       directions that M ignores are the same everywhere and are ignored by the gradient of L_S
       too. Squared error with weights w_i >= 0 and cross-entropy of softmaxes (or KL, which has
       the same gradient) qualify, over all logits or over a subset:

           squared error    M = 2 diag(w)                A = 2 E sum_i w_i J_i^2
           cross-entropy    M = diag(p) - p p^T          A = E Var_{i ~ p}(J_i),  p = softmax(z)

    4. f and L_T have derivatives where they are taken. For the order statements twice, or more.

Lemma. D_S(eps).D_T = A eps + O(eps^2), and A >= 0. Here D_T may be any direction: nothing in the
proof asks where it came from.

Theorem. Fix alpha > 0; it need not be small. Then

    L_T(theta_S) - L_T(theta) = -alpha A eps + O(eps^2).

So either A > 0, and for every small enough eps the student's step lowers a loss that the student
has never seen; or A = 0, and then D_S(eps).D_T is zero for every eps, not only to first order.

Proof idea

    The student's direction is a sum over inputs and logits of (how wrong logit i is) times (the
    direction that raises logit i). Its product with D_T therefore needs only J:

        D_S(eps).D_T = -E_x sum_i dL_S/dz_i(z, y(eps)) J_i,     y(eps) = f(theta + eps D_T)(x).

    At eps = 0 student and teacher agree, z = y is the minimum of L_S, and every term vanishes.
    This is the one place where the shared start is used. To first order the teacher's logits have
    moved by eps J, so -dL_S/dz has become eps M J, and the sum is eps E_x J.M J = eps A. M has no
    negative eigenvalue, so A >= 0: the vector J enters twice, once because the teacher moved along
    D_T and once because we ask about motion along D_T, and a square has no sign.

    Since D_S(0) = 0, the student's move alpha D_S(eps) is itself of order eps, whatever alpha is.
    L_T changes by grad L_T.alpha D_S(eps) + O(eps^2) = -alpha D_T.D_S(eps) + O(eps^2).

    One forward derivative (`jax.jvp`) gives J for all logits, hence A; no Jacobian is formed, so
    this costs about two forward passes for a model of any size.

Why there is an exception

    A = 0 means M J = 0 on every input: the teacher's first step does nothing that L_S can see. Two
    ways there. L_T may depend only on parameters that do not reach the distilled logits, such as
    the class head when auxiliary logits are distilled: then the student has nothing to imitate
    along D_T, and D_S.D_T is exactly 0. Or J may be invisible to L_S: adding one constant to all
    logits leaves a softmax as it was, and M = diag(p) - p p^T sends constants to zero. Either way
    J is a direction that M ignores, hence (assumption 3) one that the gradient of L_S has no part
    in, whatever y is: in the first formula of the proof every term is zero for every eps. A
    generic L_T leaves no such gap, so A > 0 is the rule.

To second order (`theory.expansion`)

    H, the second derivative of the logits along D_T, and V = D_S'(0) give

        D_S(eps).D_T              = A eps + B eps^2 + O(eps^3)
        L_T(theta_S) - L_T(theta) = -alpha A eps + C eps^2 + O(eps^3)

        squared error    B = E sum_i w_i J_i H_i
        cross-entropy    B = E [third central moment of J + Cov(J, H)] / 2, both under p
        either           C = -alpha B + alpha^2 V.(hessian of L_T) V / 2

    "Small enough" is thus eps << A / |B| for the lemma and eps << alpha A / |C| for the theorem.
    A check that looks only at how fast the error shrinks says nothing where B is zero or almost
    zero, since the next order then sets the slope: a linear model under squared error has H = 0,
    B = 0 and no error at all. Nor does it say anything about ReLU: the formulas hold at eps = 0,
    where a kink is met with probability 0, but at a finite eps some input has crossed one, and the
    error then jumps by an amount that follows no power of eps.

What fails without the assumptions (`theory.failures`, `theory.sampling`)

    Other start    At eps = 0 the logits already differ, D_S(0) is not 0, and D_S(eps).D_T begins
                   with a term that does not know the teacher's training: imitating the untrained
                   teacher. Its sign is a coin's and it does not shrink with eps.
    Large steps    The O(eps^2) terms win; C has either sign.
    Other losses   If M has a negative eigenvalue, some J makes A < 0: the student is pushed away.
    Other steps    Adam and sign steps replace D_S by another vector; a positive product of D_S
                   and D_T does not survive that.
    Drawn labels   Labels drawn from the teacher's softmax are right on average, and drown the pull
                   unless there are many more than 1 / (A eps^2). The most likely label is wrong.

Many steps: exact for linear and deep-linear networks (`theory.linear`), predicted for wide ones
(`theory.lazy`), measured along real training (`theory.alignment`, `theory.coverage`).

`python -m theory.check` measures the theorem in float64, `python -m experiments.theorem` draws
where it fails.
Source: arXiv 2507.14805, section 6 and its appendix; the second order is worked out here.
"""
