<?php

declare(strict_types=1);

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

/** One line of an invoice. */
class InvoiceLine extends Model
{
    public $timestamps = false;

    protected $fillable = ['position', 'description', 'amount_cents'];
}
